//! A priority queue between two writers and two readers: a heap under a lock, batches of 64 at a time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use parking_lot::{Condvar, Mutex};

pub(crate) const ITEMS: i64 = 1_000_000;
const BATCH: usize = 64;
const MAX: usize = 1024;

#[derive(Default)]
struct Queue {
    heap: Mutex<Heap>,
    room: Condvar,
    some: Condvar,
}

#[derive(Default)]
struct Heap {
    /// By key, then in the order in which they came.
    items: BinaryHeap<Reverse<(i64, u64, i64)>>,
    came: u64,
    writers: usize,
}

pub(super) fn run() {
    let queue = Queue::default();
    queue.heap.lock().writers = 2;
    let (n, sum) = std::thread::scope(|threads| {
        threads.spawn(|| write(&queue, 0));
        threads.spawn(|| write(&queue, ITEMS / 2));
        let other = threads.spawn(|| read(&queue));
        let (n, sum) = read(&queue);
        let (m, more) = other.join().expect("no thread panics");
        (n + m, sum + more)
    });
    println!("{{\"n\":{n},\"sum\":{sum}}}");
}

fn write(queue: &Queue, from: i64) {
    let mut batch = Vec::with_capacity(BATCH);
    let send = |batch: &mut Vec<(i64, i64)>| {
        let mut heap = queue.heap.lock();
        queue
            .room
            .wait_while(&mut heap, |heap| heap.items.len() + BATCH > MAX);
        for (key, value) in batch.drain(..) {
            let came = heap.came;
            heap.came += 1;
            heap.items.push(Reverse((key, came, value)));
        }
        queue.some.notify_one();
    };
    for value in from..from + ITEMS / 2 {
        batch.push((value * 7919 % 1_000_003, value));
        if batch.len() == BATCH {
            send(&mut batch);
        }
    }
    send(&mut batch);
    queue.heap.lock().writers -= 1;
    queue.some.notify_all();
}

fn read(queue: &Queue) -> (i64, i64) {
    let (mut n, mut sum) = (0, 0);
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        let mut heap = queue.heap.lock();
        queue
            .some
            .wait_while(&mut heap, |heap| heap.items.is_empty() && heap.writers > 0);
        for _ in 0..BATCH {
            let Some(item) = heap.items.pop() else { break };
            batch.push(item);
        }
        queue.room.notify_one();
        drop(heap);
        if batch.is_empty() {
            return (n, sum);
        }
        for Reverse((_, _, value)) in batch.drain(..) {
            n += 1;
            sum += value;
        }
    }
}
