//! Docker's network and address drivers for Sealane's virtual networks.
