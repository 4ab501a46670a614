use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::{AsyncConnectionConfig, Client, Cmd, RedisError, RedisResult, Value};
use tokio::sync::Mutex;

/// A connection that is not there by then is not coming.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// The slowest of our functions takes milliseconds; a server that forks or fails over may take seconds.
pub const REPLY_TIMEOUT: Duration = Duration::from_secs(5);

/// The way to the server: one connection, shared by all calls, made anew when it breaks.
pub struct Wire {
    server: Server,
    open: Mutex<Open>,
}

pub enum Server {
    One(Box<Client>),
    Cluster(Box<ClusterClient>),
}

#[derive(Default)]
struct Open {
    connection: Option<Connection>,
    /// Grows with each connection, so that of many calls that see it break only one closes it.
    number: u64,
}

#[derive(Clone)]
enum Connection {
    One(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Wire {
    pub fn new(server: Server) -> Self {
        Self { server, open: Mutex::default() }
    }

    pub async fn ask(&self, command: &Cmd) -> Result<Value, (RedisError, u64)> {
        let (mut connection, number) = self.connection().await.map_err(|error| (error, 0))?;
        connection.ask(command).await.map_err(|error| (error, number))
    }

    /// Makes the next call connect anew, unless another already did.
    pub async fn reconnect(&self, number: u64) {
        let mut open = self.open.lock().await;
        if open.number == number {
            open.connection = None;
        }
    }

    async fn connection(&self) -> RedisResult<(Connection, u64)> {
        let mut open = self.open.lock().await;
        if let Some(connection) = &open.connection {
            return Ok((connection.clone(), open.number));
        }
        let connection = self.connect().await?;
        open.number += 1;
        open.connection = Some(connection.clone());
        Ok((connection, open.number))
    }

    async fn connect(&self) -> RedisResult<Connection> {
        Ok(match &self.server {
            Server::One(client) => Connection::One(connect_one(client).await?),
            Server::Cluster(client) => Connection::Cluster(client.get_async_connection().await?),
        })
    }
}

pub async fn connect_one(client: &Client) -> RedisResult<MultiplexedConnection> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECT_TIMEOUT))
        .set_response_timeout(Some(REPLY_TIMEOUT));
    client.get_multiplexed_async_connection_with_config(&config).await
}

impl Connection {
    async fn ask(&mut self, command: &Cmd) -> RedisResult<Value> {
        match self {
            Self::One(connection) => command.query_async(connection).await,
            Self::Cluster(connection) => command.query_async(connection).await,
        }
    }
}
