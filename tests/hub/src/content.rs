//! Contents as another client moves them: by xet's own sessions, straight at the store's server.

use std::{
    io::{self, Write},
    path::Path,
    sync::{Arc, Mutex},
};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use xet_client::cas_client::{Client, RemoteClient};
use xet_data::processing::{
    FileDownloadSession, FileUploadSession, Sha256Policy, XetFileInfo, configurations::TranslatorConfig,
};

use crate::{bucket::EMPTY, cas::Cas};

/// Uploads contents in one session; returns their hashes. `folder` is the session's own, so that it knows
/// nothing of earlier ones.
pub async fn upload(cas: &Cas, folder: &Path, contents: Vec<Bytes>) -> Result<Vec<String>> {
    let config = TranslatorConfig::test_server_config(&cas.ctx, &cas.upstream, folder)?;
    let session = FileUploadSession::new(Arc::new(config)).await?;
    let mut hashes = Vec::new();
    for bytes in contents {
        let (_, mut cleaner) = session.start_clean(None, Some(bytes.len() as u64), Sha256Policy::Skip)?;
        cleaner.add_data_from_bytes(bytes).await?;
        let (info, _) = cleaner.finish().await?;
        hashes.push(info.hash().to_owned());
    }
    session.finalize().await.context("can't finish the upload")?;
    Ok(hashes)
}

/// Reads a content back, whole.
pub async fn download(cas: &Cas, hash: &str, size: u64) -> Result<Vec<u8>> {
    if hash == EMPTY {
        ensure!(size == 0, "the empty content has no {size} bytes");
        return Ok(Vec::new());
    }
    let client: Arc<dyn Client> = RemoteClient::new(cas.ctx.clone(), &cas.upstream, &None, "", false, None);
    let session = FileDownloadSession::from_client(&cas.ctx, client, None);
    let sink = Sink::default();
    let info = XetFileInfo::new(hash.to_owned(), size);
    session
        .download_to_writer(&info, .., sink.clone())
        .await
        .with_context(|| format!("can't read {hash}"))?;
    let bytes = std::mem::take(&mut *sink.0.lock().expect("no panic under the lock"));
    ensure!(bytes.len() as u64 == size, "{hash} has {} bytes, not {size}", bytes.len());
    Ok(bytes)
}

/// Keeps what is written.
#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.0.lock().map_err(|_| io::Error::other("poisoned"))?.extend_from_slice(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
