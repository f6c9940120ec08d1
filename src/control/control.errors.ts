import { defineErrors } from '../common/errors.js';

/** Errors of commands. */
export const ControlErrors = defineErrors({
  BAD_ANSWER: { status: 400, title: 'This is not a valid answer to a command' },
  BAD_COMMAND: { status: 400, title: 'This is not a valid command' },
  COMMAND_FINAL: { status: 409, title: 'The command has ended' },
  COMMAND_UNKNOWN: { status: 404, title: 'There is no such command' },
  DEVICE_OFFLINE: { status: 409, title: 'The device is offline' },
  IDEMPOTENCY_KEY_REUSED: { status: 422, title: 'The idempotency key belongs to another request' },
  QUEUE_FULL: { status: 429, title: 'The device has too many open commands' },
});
