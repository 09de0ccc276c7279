//! Virtual networks on a node made of namespaces.

mod connect;
mod crash;
mod docker;
mod faults;
mod lab;
mod leases;
mod life;
mod limits;
mod many;
mod overlay;
mod timing;
