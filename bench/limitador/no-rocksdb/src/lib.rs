//! What Limitador's library names of rocksdb, and nothing that works: `open` panics. Without its disk storage the library does
//! not compile, with rocksdb itself it takes a C++ build of many minutes and libclang. The benchmark never opens one.

use std::fmt;
use std::marker::PhantomData;
use std::path::Path;

pub struct MultiThreaded;
pub struct DBWithThreadMode<Mode>(PhantomData<Mode>);
pub type DB = DBWithThreadMode<MultiThreaded>;
type Bytes = Box<[u8]>;

impl<Mode> DBWithThreadMode<Mode> {
    pub fn open(_: &Options, _: impl AsRef<Path>) -> Result<Self, Error> {
        unimplemented!("this build has no disk storage")
    }

    pub fn get(&self, _: impl AsRef<[u8]>) -> Result<Option<Vec<u8>>, Error> {
        Err(Error)
    }

    pub fn merge(&self, _: impl AsRef<[u8]>, _: impl AsRef<[u8]>) -> Result<(), Error> {
        Err(Error)
    }

    pub fn delete(&self, _: impl AsRef<[u8]>) -> Result<(), Error> {
        Err(Error)
    }

    pub fn iterator(&self, _: IteratorMode<'_>) -> impl Iterator<Item = Result<(Bytes, Bytes), Error>> {
        std::iter::empty()
    }

    pub fn prefix_iterator(&self, _: impl AsRef<[u8]>) -> impl Iterator<Item = Result<(Bytes, Bytes), Error>> {
        std::iter::empty()
    }
}

pub enum IteratorMode<'a> {
    Start,
    From(&'a [u8]),
}

pub enum CompactionDecision {
    Keep,
    Remove,
}

pub enum DBCompressionType {
    None,
    Bz2,
}

#[derive(Default)]
pub struct Options;

impl Options {
    pub fn create_if_missing(&mut self, _: bool) {}

    pub fn set_compression_type(&mut self, _: DBCompressionType) {}

    pub fn set_compaction_filter(
        &mut self,
        _: &str,
        _: impl FnMut(u32, &[u8], &[u8]) -> CompactionDecision + Send + 'static,
    ) {
    }

    pub fn set_merge_operator_associative(
        &mut self,
        _: &str,
        _: impl for<'a> Fn(&[u8], Option<&[u8]>, &'a MergeOperands) -> Option<Vec<u8>> + Clone + Send + Sync + 'static,
    ) {
    }
}

pub struct MergeOperands;

impl<'a> IntoIterator for &'a MergeOperands {
    type Item = &'a [u8];
    type IntoIter = std::iter::Empty<&'a [u8]>;

    fn into_iter(self) -> Self::IntoIter {
        std::iter::empty()
    }
}

#[derive(Debug)]
pub struct Error;

#[derive(PartialEq, Eq)]
pub enum ErrorKind {
    TimedOut,
    TryAgain,
    Unknown,
}

impl Error {
    pub fn kind(&self) -> ErrorKind {
        ErrorKind::Unknown
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this build has no disk storage")
    }
}

impl std::error::Error for Error {}
