//! The host's shared data.

use super::host;
use crate::store::{SharedData, Unavailable};

#[derive(Clone, Copy, Debug)]
pub(super) struct HostData;

impl SharedData for HostData {
    fn get(&self, name: &[u8]) -> Result<Option<(Vec<u8>, u32)>, Unavailable> {
        host::shared_data(name)
    }

    fn set(&self, name: &[u8], bytes: &[u8], version: u32) -> Result<bool, Unavailable> {
        host::set_shared_data(name, bytes, version)
    }
}
