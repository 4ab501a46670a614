use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header;
use actix_web::{HttpRequest, web};
use futures_util::StreamExt;
use tidings_bounce::webhook::MAX_BODY_BYTES;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// All bodies that are held at one time, in KiB: four of the largest, or thousands of common ones. Cutting a body into events holds it
/// twice for a moment.
pub const ROOM_KIB: usize = 64 * 1024;
/// Taken before the first octet is read, and again whenever it is used up.
const STEP_KIB: u32 = 32;
const BODY_WITHIN: Duration = Duration::from_secs(30);

/// A body, and its share of the room: given back when this is dropped.
pub struct Body {
    pub octets: Vec<u8>,
    room: OwnedSemaphorePermit,
}

pub enum NoBody {
    TooLarge,
    TooSlow,
    /// The peer went away in the middle.
    Broken,
    /// Others fill the room.
    NoRoom,
}

/// Reads a body of at most [`MAX_BODY_BYTES`].
pub async fn read(request: &HttpRequest, payload: web::Payload, room: &Arc<Semaphore>) -> Result<Body, NoBody> {
    let declared = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if declared.is_some_and(|octets: usize| octets > MAX_BODY_BYTES) {
        return Err(NoBody::TooLarge);
    }
    tokio::time::timeout(BODY_WITHIN, gather(payload, room)).await.unwrap_or(Err(NoBody::TooSlow))
}

async fn gather(mut payload: web::Payload, room: &Arc<Semaphore>) -> Result<Body, NoBody> {
    let mut body = Body { octets: Vec::new(), room: more(room)? };
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| NoBody::Broken)?;
        let octets = body.octets.len() + chunk.len();
        if octets > MAX_BODY_BYTES {
            return Err(NoBody::TooLarge);
        }
        while octets > body.room.num_permits() * 1024 {
            body.room.merge(more(room)?);
        }
        body.octets.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn more(room: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, NoBody> {
    Arc::clone(room).try_acquire_many_owned(STEP_KIB).map_err(|_| NoBody::NoRoom)
}

impl Body {
    /// The octets, and the share of the room to hold on to while they are used.
    pub fn into_parts(self) -> (Vec<u8>, OwnedSemaphorePermit) {
        (self.octets, self.room)
    }
}
