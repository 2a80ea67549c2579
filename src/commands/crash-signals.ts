/**
 * What a process gets that has gone wrong below JavaScript. Nobody may listen: after most of them node's handler leads back to the
 * instruction that failed, which fails again, so the process would turn in circles for ever in place of dying and being replaced (node's
 * documentation of signal events warns of most of these).
 */
export const crashSignals = ['SIGILL', 'SIGTRAP', 'SIGABRT', 'SIGBUS', 'SIGFPE', 'SIGSEGV'] as const
