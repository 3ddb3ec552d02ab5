//! The options of all that reads logs.

use std::path::PathBuf;

use anyhow::anyhow;

use super::{Format, HowToRead, Input};

/// Which logs, and how they are to be read.
#[derive(Debug, clap::Args)]
pub struct Logs {
    /// Access logs, packed or not (gzip, Zstandard), merged by time; `-` is the standard input
    #[arg(required = true, value_name = "LOGS")]
    files: Vec<PathBuf>,
    /// The log's format: a name, or a format string as nginx, Apache or Envoy have it; else it is recognised
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<String>,
    /// The log's field by which users are told apart, such as `sent_http_x_user_id`, or `user` in JSON
    #[arg(long, value_name = "FIELD")]
    credential_field: Option<String>,
    /// How many proxies of your own stand in front of the one that has written the log
    #[arg(long, value_name = "COUNT", default_value_t = 0)]
    pub(crate) trusted_hops: usize,
}

impl Logs {
    /// The files, and how each of their lines is to be read.
    ///
    /// # Errors
    /// If the format is none; in words.
    pub(crate) fn open(self) -> anyhow::Result<(Vec<Input>, HowToRead)> {
        let credential = self.credential_field;
        let format = self.log_format.as_deref().map(|text| Format::parse(text, credential.as_deref()));
        let format = format.transpose().map_err(|reason| anyhow!("--log-format: {reason}"))?;
        let inputs = self.files.into_iter().map(Input::of).collect();
        Ok((inputs, HowToRead { format, credential }))
    }
}
