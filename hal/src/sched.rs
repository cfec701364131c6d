//! Real-time priority and CPU affinity of the calling thread.
