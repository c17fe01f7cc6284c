//! The peers with the system's allocator, which is what their documentation leads to.

fn main() -> Result<(), lambda_runtime::Error> {
    peers::main()
}
