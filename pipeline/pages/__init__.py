"""Pages of the site: what they show of an experiment, their templates, styles and scripts."""
