//! The test Hub by itself, so that other clients of the Hub can be pointed at it.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Parser;
use lacuna_test_hub::{Hub, Settings, USER};

/// A Hub of one's own on loopback: buckets and read-only repositories, for tests.
#[derive(Parser)]
#[command(name = "cargo xtask hub")]
struct Args {
    /// The API's port; any free one if 0
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Where to keep the contents; a temporary folder if absent. Names are kept in memory only
    #[arg(long)]
    dir: Option<PathBuf>,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let hub = Hub::with(Settings { port: args.port, folder: args.dir })?;
    let bucket = hub.bucket("me/example");
    hub.put_file(&bucket, "hello.txt", "Hello from the test Hub.\n").context("can't make the example")?;
    let (endpoint, token) = (hub.endpoint(), hub.token());
    println!("endpoint  {endpoint}");
    println!("CAS       {}", hub.cas_url());
    println!("user      {USER}");
    println!("token     {token}");
    println!("bucket    hf://buckets/{bucket}");
    println!("control   {endpoint}/_test/  (faults, counts, tokens)");
    println!();
    println!("For other clients of the Hub:");
    println!("    export HF_ENDPOINT={endpoint} HF_TOKEN={token}");
    println!();
    println!("Ctrl-C ends it.");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(tokio::signal::ctrl_c()).context("can't wait for Ctrl-C")?;
    Ok(())
}
