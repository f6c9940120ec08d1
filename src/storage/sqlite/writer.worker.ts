import { workerData } from 'node:worker_threads';
import { holdDirectory } from './open-file.js';
import type { WriteBatch, WriteReply, WorkerSettings } from './protocol.js';
import { serve } from './worker-shell.js';
import { Writer } from './writer.js';

serve<WriteBatch, WriteReply>(() => {
  const settings = workerData as WorkerSettings;
  const writer = new Writer(settings);
  const { lock, notes } = holdDirectory(settings.dataDir, () => writer.open());
  return {
    notes,
    answer: (batch) => writer.run(batch),
    close: () => {
      writer.close();
      lock.close();
    },
  };
});
