"""Attacks: thousands of damaged inputs and kills, each of which ends right or with a sentence."""
