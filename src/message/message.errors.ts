import { defineErrors } from '../common/errors.js';

/** Errors of raw publishing and of the message log. */
export const MessageErrors = defineErrors({
  BAD_TOPIC: { status: 400, title: 'Nothing can be published to this topic' },
  BAD_FILTER: { status: 400, title: 'This is not a topic filter' },
  BAD_MESSAGE: { status: 400, title: 'There is not exactly one message to publish' },
});
