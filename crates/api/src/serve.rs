//! Serving the router on a socket.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::serve::Listener;
use tokio::net::TcpListener;

use crate::guard::Guarded;

/// Serves until `stop` resolves and the requests then under way are answered.
///
/// # Errors
/// The listener's.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    axum::serve(Door(listener), router)
        .with_graceful_shutdown(stop)
        .await
}

/// A listener whose connections are guarded.
struct Door(TcpListener);

impl Listener for Door {
    type Io = Guarded<tokio::net::TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            match self.0.accept().await {
                Ok((stream, address)) => {
                    // An answer's last piece must not wait for the one before to be confirmed.
                    let _ = stream.set_nodelay(true);
                    return (Guarded::new(stream), address);
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

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}
