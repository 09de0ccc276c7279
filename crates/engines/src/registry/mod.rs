//! A registry of images (OCI distribution-spec; Docker's registry API v2): what a
//! reference means, who may read it, and its documents and blobs.
//!
//! It only reads. What is read goes where the caller wants it; digests of documents are
//! verified here, those of blobs by whoever stores them.

mod auth;
mod credentials;
mod name;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use hyper::StatusCode;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderName, RANGE, WWW_AUTHENTICATE};
use sha2::{Digest, Sha256};

use crate::fetch::{Answer, FetchError, Fetcher, Url};
use crate::hex::hex;
pub(crate) use auth::Challenge;
pub(crate) use name::RegistryName;

/// Kinds of manifests and indexes that containerd runs.
const DOCUMENTS: [&str; 4] = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
];
/// Documents are some kilobytes; distribution-spec lets registries refuse more.
const DOCUMENT_LIMIT: u64 = 4 * 1024 * 1024;

/// Why something was not had from a registry; completes "could not be pulled:".
#[derive(Debug, thiserror::Error)]
pub(crate) enum RegistryError {
    /// The text is no reference.
    #[error("'{0}' is no image reference; write registry/name:tag")]
    Reference(String),
    /// There is none.
    #[error("{registry} has no {reference}{said}")]
    NotFound {
        /// Host of the registry.
        registry: String,
        /// What was asked for.
        reference: String,
        /// What the registry said.
        said: String,
    },
    /// Not for us.
    #[error(
        "{registry} does not let {who} read {repository}{said}; 'docker login {registry}' as the daemon's user stores credentials in {file}, and registries also answer so for what does not exist"
    )]
    Unauthorised {
        /// Host of the registry.
        registry: String,
        /// `anybody`, or a user's name.
        who: String,
        /// What was asked for.
        repository: String,
        /// What the registry said.
        said: String,
        /// Where credentials are read from.
        file: String,
    },
    /// The file with credentials cannot be used.
    #[error("credentials in {file} cannot be used: {detail}")]
    Credentials {
        /// The file.
        file: String,
        /// Why.
        detail: String,
    },
    /// A registry sent something else than it was asked for.
    #[error(
        "{registry} sent {what} that has the digest {found} and not {wanted}; somebody changed it on its way, or the registry is broken"
    )]
    Digest {
        /// Host of the registry.
        registry: String,
        /// What was asked for.
        what: &'static str,
        /// The digest asked for.
        wanted: String,
        /// The digest of what came.
        found: String,
    },
    /// Something that is no image, or an image of times past.
    #[error(
        "it is of media type '{0}', which is not supported; needed is an image of Docker's schema 2 or of OCI"
    )]
    MediaType(String),
    /// The answer makes no sense.
    #[error("{registry} {problem}")]
    Odd {
        /// Host of the registry.
        registry: String,
        /// What is odd.
        problem: String,
    },
    /// The network.
    #[error(transparent)]
    Fetch(#[from] FetchError),
}

impl RegistryError {
    /// Whether another attempt may end otherwise.
    pub(crate) fn is_passing(&self) -> bool {
        matches!(self, Self::Fetch(error) if error.is_passing())
    }
}

/// A manifest or an index.
#[derive(Debug, Clone)]
pub(crate) struct Document {
    /// Its digest, which is true.
    pub(crate) digest: String,
    /// Its kind, one that is supported.
    pub(crate) media_type: String,
    /// Its text.
    pub(crate) bytes: Vec<u8>,
}

/// One repository of a registry.
#[derive(Debug, Clone)]
pub(crate) struct Repository {
    name: RegistryName,
    fetcher: Fetcher,
    /// File with credentials in Docker's form.
    credentials: Option<PathBuf>,
    /// What to put into the header `Authorization`; found out when the registry asks.
    authorization: Arc<Mutex<Option<String>>>,
}

impl Repository {
    pub(crate) fn new(name: RegistryName, fetcher: Fetcher, credentials: Option<PathBuf>) -> Self {
        Self {
            name,
            fetcher,
            credentials,
            authorization: Arc::default(),
        }
    }

    /// Its name.
    pub(crate) fn name(&self) -> &RegistryName {
        &self.name
    }

    /// Reads the manifest or index behind a tag or a digest.
    ///
    /// # Errors
    /// When there is none, it is not what the digest says, or is of no kind that runs.
    pub(crate) async fn document(&self, reference: &str) -> Result<Document, RegistryError> {
        let path = format!("manifests/{reference}");
        let mut answer = self.get(&path, &[(ACCEPT, DOCUMENTS.join(", "))]).await?;
        let given = answer.header(&CONTENT_TYPE).unwrap_or_default().to_owned();
        let bytes = answer.bytes(DOCUMENT_LIMIT).await?;
        let digest = format!("sha256:{}", hex(&Sha256::digest(&bytes)));
        if reference.contains(':') && reference != digest {
            return Err(RegistryError::Digest {
                registry: self.name.registry().to_owned(),
                what: "a manifest",
                wanted: reference.to_owned(),
                found: digest,
            });
        }
        let media_type = kind(&bytes, &given)?;
        Ok(Document {
            digest,
            media_type,
            bytes,
        })
    }

    /// Asks for a blob from `offset` on. A registry may answer with all of it.
    ///
    /// # Errors
    /// When it is not there.
    pub(crate) async fn blob(&self, digest: &str, offset: u64) -> Result<Answer, RegistryError> {
        let path = format!("blobs/{digest}");
        let range = [(RANGE, format!("bytes={offset}-"))];
        self.get(&path, if offset > 0 { &range } else { &[] }).await
    }

    async fn get(
        &self,
        path: &str,
        headers: &[(HeaderName, String)],
    ) -> Result<Answer, RegistryError> {
        let known = self.known().clone();
        let answer = self.ask(path, headers, known).await?;
        // Credentials go to where a challenge says, so only the registry's own are heeded.
        let own = answer.url().is_same_place(&self.name.url(path)?);
        if answer.status() != StatusCode::UNAUTHORIZED || !own {
            return self.judged(answer, path, "anybody").await;
        }
        let challenges: Vec<_> = answer
            .headers(&WWW_AUTHENTICATE)
            .map(str::to_owned)
            .collect();
        let authorised = self.authorise(&challenges).await?;
        let Some((who, value)) = authorised else {
            return self.judged(answer, path, "anybody").await;
        };
        *self.known() = Some(value.clone());
        let answer = self.ask(path, headers, Some(value)).await?;
        self.judged(answer, path, &who).await
    }

    async fn ask(
        &self,
        path: &str,
        headers: &[(HeaderName, String)],
        authorization: Option<String>,
    ) -> Result<Answer, RegistryError> {
        let mut headers = headers.to_vec();
        headers.extend(authorization.map(|value| (AUTHORIZATION, value)));
        let url: Url = self.name.url(path)?;
        Ok(self.fetcher.get(&url, &headers).await?)
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.authorization
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Who we are and what to say, after being asked; `None` when there is nothing to say.
    async fn authorise(
        &self,
        challenges: &[String],
    ) -> Result<Option<(String, String)>, RegistryError> {
        let login = credentials::find(self.credentials.as_deref(), self.name.registry())?;
        let who = login
            .as_ref()
            .map_or("anybody", |login| login.user.as_str())
            .to_owned();
        let challenges: Vec<_> = challenges
            .iter()
            .filter_map(|text| Challenge::read(text))
            .collect();
        for challenge in challenges {
            match (&challenge, &login) {
                (Challenge::Basic, Some(login)) => return Ok(Some((who, login.basic()))),
                (Challenge::Basic, None) => {}
                (Challenge::Bearer { .. }, login) => {
                    let Some(url) = challenge.token_url(self.name.repository())? else {
                        continue;
                    };
                    // A registry that is asked in secret is not answered in the open.
                    let plain = !url.is_secure() && !self.name.is_plain();
                    let login = login.as_ref().filter(|_| !plain);
                    let token = auth::token(&self.fetcher, &url, login).await;
                    let token = token.map_err(|error| self.refused(error, &who))?;
                    return Ok(Some((who, format!("Bearer {token}"))));
                }
            }
        }
        Ok(None)
    }

    fn refused(&self, error: FetchError, who: &str) -> RegistryError {
        match error {
            FetchError::Status { status, said, .. }
                if status.as_u16() / 100 == 4 && status != StatusCode::TOO_MANY_REQUESTS =>
            {
                self.unauthorised(who, said)
            }
            error => error.into(),
        }
    }

    async fn judged(&self, answer: Answer, path: &str, who: &str) -> Result<Answer, RegistryError> {
        match answer.successful().await {
            Err(FetchError::Status {
                status: StatusCode::NOT_FOUND,
                said,
                ..
            }) => {
                let repository = self.name.repository();
                Err(RegistryError::NotFound {
                    registry: self.name.registry().to_owned(),
                    reference: match path.strip_prefix("manifests/") {
                        Some(tag) => format!("{repository}:{tag}"),
                        None => format!("{path} in {repository}"),
                    },
                    said,
                })
            }
            Err(FetchError::Status {
                status: StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN,
                said,
                ..
            }) => Err(self.unauthorised(who, said)),
            other => Ok(other?),
        }
    }

    fn unauthorised(&self, who: &str, said: String) -> RegistryError {
        RegistryError::Unauthorised {
            registry: self.name.registry().to_owned(),
            who: who.to_owned(),
            repository: self.name.repository().to_owned(),
            said,
            file: match &self.credentials {
                Some(file) => file.display().to_string(),
                None => "Docker's config.json, which [images] docker-config names".to_owned(),
            },
        }
    }
}

/// The kind of a document: what it says itself, or else what the answer's header says.
fn kind(bytes: &[u8], header: &str) -> Result<String, RegistryError> {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Said {
        media_type: Option<String>,
    }
    let said: Option<Said> = serde_json::from_slice(bytes).ok();
    let header = header.split(';').next().unwrap_or_default().trim();
    let kind = said
        .and_then(|said| said.media_type)
        .unwrap_or_else(|| header.to_owned());
    if DOCUMENTS.contains(&kind.as_str()) {
        Ok(kind)
    } else {
        Err(RegistryError::MediaType(
            kind.escape_debug().take(100).collect(),
        ))
    }
}

#[cfg(test)]
mod tests;
