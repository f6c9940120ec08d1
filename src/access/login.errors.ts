import { defineErrors } from '../common/errors.js';

/** What can be said of a login besides that it is refused. */
export const LoginErrors = defineErrors({
  TOO_MANY_LOGINS: { status: 429, title: 'Too many failed logins' },
});
