//! The front door of the `hilum` binary: arguments in, exit code out.
fn main() -> std::process::ExitCode {
    hilum_cli::main()
}
