import { workerData } from 'node:worker_threads';
import type { QueryReply, WireStatement, WorkerSettings } from './protocol.js';
import { Reader } from './reader.js';
import { serve } from './worker-shell.js';

serve<WireStatement, QueryReply>(() => {
  const reader = new Reader(workerData as WorkerSettings);
  return { notes: [], answer: (query) => reader.run(query), close: () => reader.close() };
});
