//! The front door of the `hilum` binary: arguments in, exit code out.

#![forbid(unsafe_code)]

/// What is freed is zeroed: names and pictures of patients do not lie about in memory, where a core dump would find them.
#[global_allocator]
static MEMORY: zeroizing_alloc::ZeroAlloc<std::alloc::System> = zeroizing_alloc::ZeroAlloc(std::alloc::System);

fn main() -> std::process::ExitCode {
    hilum_cli::main()
}
