//! The CNI plugin of Sealane's virtual networks.

fn main() {}
