//! What an exchange with a real Redis costs: CPU of this process and the time until the replies are there, by [`Wire`] and by the crate
//! `redis`, whose multiplexed connection could do the same. `cargo run --release` in `bench/exchange`.

#[allow(dead_code)]
#[path = "../../../tests/common/charges.rs"]
mod charges;
#[allow(dead_code)]
#[path = "../../../native/wire/tests/servers/server.rs"]
mod server;

use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use tollgate::redis::{Commands, Reply, Settings, charging_script, put_command, read_reply};
use tollgate::store::{Plan, Proves};
use tollgate_wire::{Event, Target, Thread, Wire};

const LASTS: Duration = Duration::from_secs(3);

/// What is measured: something that takes commands, and hands replies to the channel.
type Send = Box<dyn Fn(Vec<u8>)>;

fn main() {
    let server = server::Server::start("bench", &[]);
    let settings = server.settings();
    println!(
        "{:>8} {:>6} {:>9} {:>12} {:>12} {:>14}",
        "by", "depth", "commands", "CPU", "median", "exchanges/s"
    );
    for depth in [1, 64] {
        for commands in [1, 16] {
            for _ in 0..2 {
                for (name, open) in
                    [("wire", by_wire as fn(&Settings, Sender<Vec<u8>>) -> Send), ("redis", by_crate)]
                {
                    let (heard, replies) = channel();
                    let send = open(&settings, heard);
                    measure(name, &send, &replies, depth, commands);
                }
            }
        }
    }
}

fn by_wire(settings: &Settings, heard: Sender<Vec<u8>>) -> Send {
    let target = Target::new(settings).expect("good");
    let wire = Wire::open(Thread::of_process().expect("a thread"), &target, move |event| match event {
        Event::Received(bytes) => {
            let _ = heard.send(bytes.to_vec());
        }
        Event::Closed { reason, .. } => panic!("{reason}"),
    });
    Box::new(move |commands| wire.send(commands))
}

/// The same by the crate: commands are read into its own, and its values are written as replies.
fn by_crate(settings: &Settings, heard: Sender<Vec<u8>>) -> Send {
    let (commands, mut queue) = tokio::sync::mpsc::unbounded_channel::<Vec<u8>>();
    let client = redis::Client::open(settings.url.as_ref().expect("a url").to_string()).expect("good");
    let patient = redis::AsyncConnectionConfig::new().set_response_timeout(None);
    Thread::of_process().expect("a thread").spawn(async move {
        let connection =
            client.get_multiplexed_async_connection_with_config(&patient).await.expect("it is there");
        while let Some(commands) = queue.recv().await {
            let (mut connection, heard) = (connection.clone(), heard.clone());
            tokio::spawn(async move {
                let pipeline = pipeline(&commands);
                let count = pipeline.len();
                let values = connection.send_packed_commands(&pipeline, 0, count).await.expect("values");
                let mut replies = Vec::new();
                values.iter().for_each(|value| put_value(&mut replies, value));
                let _ = heard.send(replies);
            });
        }
    });
    Box::new(move |bytes| commands.send(bytes).expect("it runs"))
}

fn pipeline(mut commands: &[u8]) -> redis::Pipeline {
    let mut pipeline = redis::pipe();
    while !commands.is_empty() {
        let Ok(Reply::List(Some(arguments))) = read_reply(&mut commands) else { panic!("a command") };
        let mut command = redis::Cmd::new();
        for argument in arguments {
            let Reply::Bytes(Some(bytes)) = argument else { panic!("an argument") };
            command.arg(bytes);
        }
        pipeline.add_command(command);
    }
    pipeline
}

fn put_value(out: &mut Vec<u8>, value: &redis::Value) {
    use redis::Value;
    match value {
        Value::Nil => out.extend_from_slice(b"$-1\r\n"),
        Value::Int(number) => out.extend_from_slice(format!(":{number}\r\n").as_bytes()),
        Value::BulkString(bytes) => {
            out.extend_from_slice(format!("${}\r\n", bytes.len()).as_bytes());
            out.extend_from_slice(bytes);
            out.extend_from_slice(b"\r\n");
        }
        Value::Array(values) => {
            out.extend_from_slice(format!("*{}\r\n", values.len()).as_bytes());
            values.iter().for_each(|value| put_value(out, value));
        }
        Value::SimpleString(text) => out.extend_from_slice(format!("+{text}\r\n").as_bytes()),
        Value::Okay => out.extend_from_slice(b"+OK\r\n"),
        other => panic!("{other:?}"),
    }
}

/// Exchanges of so many commands, so many of them under way at once.
fn measure(name: &str, send: &Send, replies: &Receiver<Vec<u8>>, depth: usize, commands: usize) {
    let mut load = Vec::new();
    put_command(&mut load, &[b"SCRIPT", b"LOAD", charging_script().as_bytes()]);
    send(load);
    let mut replies = Replies { channel: replies, bytes: Vec::new(), read: 0 };
    replies.wait_for(1);
    let exchange = exchange(commands);
    let mut sent = std::collections::VecDeque::new();
    let mut times = Vec::new();
    let (mut started, mut cpu) = (Instant::now(), 0);
    for warm in [true, false] {
        let begin = Instant::now();
        let until = begin + if warm { LASTS / 6 } else { LASTS };
        if !warm {
            (started, cpu) = (Instant::now(), process_cpu());
            times.clear();
        }
        while Instant::now() < until {
            while sent.len() < depth {
                sent.push_back(Instant::now());
                send(exchange.clone());
            }
            replies.wait_for(commands);
            times.push(sent.pop_front().expect("it was sent").elapsed());
        }
        while let Some(at) = sent.pop_front() {
            replies.wait_for(commands);
            times.push(at.elapsed());
        }
    }
    let (cpu, lasted) = (process_cpu() - cpu, started.elapsed());
    times.sort_unstable();
    let count = times.len();
    println!(
        "{name:>8} {depth:>6} {commands:>9} {:>9.1} µs {:>9.1} µs {:>14.0}",
        micros(Duration::from_nanos(cpu / count as u64)),
        micros(times[count / 2]),
        count as f64 / lasted.as_secs_f64(),
    );
}

fn micros(span: Duration) -> f64 {
    span.as_secs_f64() * 1e6
}

struct Replies<'c> {
    channel: &'c Receiver<Vec<u8>>,
    bytes: Vec<u8>,
    read: usize,
}

impl Replies<'_> {
    fn wait_for(&mut self, count: usize) {
        for _ in 0..count {
            loop {
                let mut rest = &self.bytes[self.read..];
                match read_reply(&mut rest) {
                    Ok(Reply::Error(error)) => panic!("{}", String::from_utf8_lossy(error)),
                    Ok(_) => {
                        self.read = self.bytes.len() - rest.len();
                        break;
                    }
                    Err(_) => {
                        self.bytes.drain(..std::mem::take(&mut self.read));
                        self.bytes.extend(self.channel.recv().expect("more"));
                    }
                }
            }
        }
    }
}

fn exchange(commands: usize) -> Vec<u8> {
    let mut out = Vec::new();
    for name in 0..commands {
        let charges = vec![charges::charge(name as u64, 1, charges::limit("1000000/h"))];
        let plan = Plan::Certain { charges, known: None, proves: Proves::Nothing };
        Commands::new("{tollgate}:".to_owned(), None).charge(&plan, &mut out);
    }
    out
}

/// Nanoseconds on a processor, of all threads.
fn process_cpu() -> u64 {
    let tasks = std::fs::read_dir("/proc/self/task").expect("Linux");
    let of_task = |task: std::fs::DirEntry| {
        let text = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    };
    tasks.flatten().filter_map(of_task).sum()
}
