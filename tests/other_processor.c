/* Shows a process another processor: no AVX-512, and a first cache of NNDL_CACHE_KIB KiB.

   For LD_PRELOAD on Linux. The instruction `cpuid` is made to fault, and answered here: libraries
   that choose code or block sizes by it choose as they would elsewhere. Other instructions stay
   there for whoever does not ask. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#define ARCH_SET_CPUID 0x1012

static unsigned first_cache;

static int let_cpuid(int on) { return syscall(SYS_arch_prctl, ARCH_SET_CPUID, on); }

static void answer(int number, siginfo_t *info, void *context) {
    greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
    const unsigned char *at = (const unsigned char *)registers[REG_RIP];
    unsigned a = registers[REG_RAX], b, c = registers[REG_RCX], d;
    const unsigned leaf = a, part = c;
    (void)number, (void)info;
    if (at[0] != 0x0f || at[1] != 0xa2) { /* A fault of another kind: die of it. */
        signal(SIGSEGV, SIG_DFL);
        return;
    }
    let_cpuid(1);
    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    let_cpuid(0);
    if (leaf == 4 && (a & 31) == 1 && ((a >> 5) & 7) == 1) { /* 8 ways, lines of 64 bytes. */
        b = 7u << 22 | 63;
        c = first_cache / (8 * 64) - 1;
    }
    if (leaf == 7 && part == 0) { /* AVX-512 of all kinds, and AMX. */
        b &= ~(1u << 16 | 1u << 17 | 1u << 21 | 3u << 26 | 1u << 28 | 3u << 30);
        c &= ~(1u << 1 | 1u << 6 | 3u << 11 | 1u << 14);
        d &= ~(3u << 2 | 1u << 8 | 15u << 22);
    }
    if (leaf == 7 && part == 1) a = b = c = d = 0;
    registers[REG_RAX] = a;
    registers[REG_RBX] = b;
    registers[REG_RCX] = c;
    registers[REG_RDX] = d;
    registers[REG_RIP] += 2;
}

__attribute__((constructor)) static void begin(void) {
    struct sigaction action = {.sa_sigaction = answer, .sa_flags = SA_SIGINFO | SA_NODEFER};
    const char *wanted = getenv("NNDL_CACHE_KIB");
    if (!wanted) return;
    first_cache = 1024 * atoi(wanted);
    sigaction(SIGSEGV, &action, NULL);
    if (let_cpuid(0)) {
        perror("cpuid cannot be made to fault");
        _exit(3);
    }
}
