import { defineErrors } from '../common/errors.js';

/** Errors of keys, sessions and rates. */
export const AccessErrors = defineErrors({
  KEY_UNKNOWN: { status: 404, title: 'There is no such API key' },
  LAST_ADMIN_KEY: { status: 409, title: 'Without this key nobody could administer' },
  TOO_MANY_KEYS: { status: 409, title: 'There are as many API keys as there may be' },
  RATE_LIMITED: { status: 429, title: 'Too many requests in this minute' },
});
