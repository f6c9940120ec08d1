import { parentPort } from 'node:worker_threads';
import { StartupError } from '../../common/startup.error.js';
import type { Request, WorkerMessage } from './protocol.js';

/** What a worker does once it is open. `answer` never throws: a failure is an answer too. */
export interface Service<Body, Answer> {
  /** What happened while opening, a sentence each. */
  readonly notes: readonly string[];
  answer(body: Body): Answer;
  close(): void;
}

/** Opens the service of this worker thread, tells the main thread how that went, and answers its requests in order. */
export function serve<Body, Answer>(open: () => Service<Body, Answer>): void {
  const port = parentPort!;
  const post = (message: WorkerMessage<Answer | null>): void => port.postMessage(message);
  let service: Service<Body, Answer>;
  try {
    service = open();
  } catch (error) {
    if (!(error instanceof StartupError)) throw error;
    post({ type: 'refused', message: error.message, hint: error.hint });
    port.close();
    return;
  }
  port.on('message', ({ id, body }: Request<Body>) => {
    if (body !== undefined) {
      post({ type: 'reply', id, body: service.answer(body) });
      return;
    }
    service.close();
    post({ type: 'reply', id, body: null });
    port.close();
  });
  post({ type: 'ready', notes: service.notes });
}
