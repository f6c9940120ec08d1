import { defineErrors } from '../common/errors.js';

/** Errors of commands. */
export const ControlErrors = defineErrors({
  BAD_COMMAND: { status: 400, title: 'This is not a valid command' },
  COMMAND_UNKNOWN: { status: 404, title: 'There is no such command' },
});
