//! The test Hub against plain HTTP, xet's own client, and the Hub's official client for Python.

mod buckets;
mod cas;
mod client;
mod faults;
mod feed;
mod official;
mod proxy;
mod repos;
