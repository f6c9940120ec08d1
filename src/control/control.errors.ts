import { defineErrors } from '../common/errors.js';

/** Errors of commands. */
export const ControlErrors = defineErrors({
  BAD_COMMAND: { status: 400, title: 'This is not a valid command' },
  COMMAND_UNKNOWN: { status: 404, title: 'There is no such command' },
  IDEMPOTENCY_KEY_REUSED: { status: 422, title: 'The idempotency key belongs to another request' },
});
