//! Serving the router on a socket.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use labelwire_app::tasks::Tasks;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower_service::Service as _;

use crate::guard::Guarded;
use crate::layers::RequestIds;
use crate::line::{Answer, Heard, Line, Timeouts};
use crate::router::Config;
use crate::stream::Closing;

/// Bytes that wait in the kernel to be sent. With more, a reader that is slow but
/// alive would look dead for minutes: the kernel asks for no more until it has
/// got rid of a good part of what it holds.
const UNSENT: u32 = 256 * 1024;

/// Serves until `stop` resolves and the requests then under way are answered.
///
/// # Errors
/// None today; a listener's errors are waited out.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    config: Config,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let door = Door {
        router,
        ids: Arc::new(RequestIds::new(&*config.entropy)),
        timeouts: config.timeouts,
        connections: Tasks::new(),
    };
    let room = Arc::new(Semaphore::new(
        config.connections.clamp(1, Semaphore::MAX_PERMITS),
    ));
    let mut stop = pin!(stop);
    loop {
        // Where all places are taken, the next caller waits in the system's queue.
        let next = async {
            let place = Arc::clone(&room).acquire_owned().await;
            (place, accept(&listener).await)
        };
        let (place, (stream, peer)) = tokio::select! {
            () = &mut stop => break,
            next = next => next,
        };
        // The semaphore is never closed.
        let Ok(place) = place else { break };
        let talk = door.clone().talk(stream, peer, place);
        door.connections.spawn(talk);
    }
    drop(listener);
    door.connections.stop().await;
    Ok(())
}

/// The next connection.
async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                // An answer's last piece must not wait for the one before to be confirmed.
                let _ = stream.set_nodelay(true);
                #[cfg(target_os = "linux")]
                let _ = socket2::SockRef::from(&stream).set_tcp_notsent_lowat(UNSENT);
                return (stream, peer);
            }
            // The peer left before we looked; the next one may not have.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::ConnectionRefused
                        | io::ErrorKind::ConnectionAborted
                        | io::ErrorKind::ConnectionReset
                ) => {}
            Err(error) => {
                // Most likely no file descriptor is left: some will come back.
                tracing::error!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

/// What all connections share.
#[derive(Clone)]
struct Door {
    router: Router,
    ids: Arc<RequestIds>,
    timeouts: Timeouts,
    connections: Tasks,
}

impl Door {
    /// Answers what is asked on a connection, until its end.
    async fn talk(self, stream: TcpStream, peer: SocketAddr, place: OwnedSemaphorePermit) {
        let line = Line::new(self.timeouts);
        let heard = Heard::new(stream, Arc::clone(&line), place);
        let io = TokioIo::new(Guarded::new(heard, self.ids));
        let (router, on) = (self.router, Arc::clone(&line));
        let closing = Closing::new(self.connections.clone(), self.timeouts);
        let service = service_fn(move |request: hyper::Request<Incoming>| {
            on.asked();
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(ConnectInfo(peer));
            request.extensions_mut().insert(closing.clone());
            let (answer, on) = (router.clone().call(request), Arc::clone(&on));
            async move {
                let response = answer.await?;
                Ok::<_, Infallible>(response.map(|body| Answer::new(body, on)))
            }
        });
        let talk = http1::Builder::new().serve_connection(io, service);
        let mut talk = pin!(talk.with_upgrades());
        let mut timed_out = pin!(line.timed_out());
        let mut is_stopping = false;
        loop {
            tokio::select! {
                // Its errors are the peer's: it left, or spoke no HTTP.
                _ = talk.as_mut() => return,
                () = timed_out.as_mut() => {
                    tracing::debug!("a connection was cut: its other end took too long");
                    return;
                }
                () = self.connections.stopping(), if !is_stopping => {
                    is_stopping = true;
                    talk.as_mut().graceful_shutdown();
                }
            }
        }
    }
}
