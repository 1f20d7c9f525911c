//! Both ends of a connection, for tests.

use tokio::net::{TcpListener, TcpStream};

/// Who connected, and who was connected to.
pub(crate) async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (theirs, ours) = tokio::join!(TcpStream::connect(address), listener.accept());
    (theirs.unwrap(), ours.unwrap().0)
}
