import { defineErrors } from '../common/errors.js';

/** What can go wrong when Signalbox itself publishes, and with the requests of other services before their handler has them. */
export const MqttErrors = defineErrors({
  PUBLISH_REFUSED: { status: 400, title: 'The broker does not accept this message' },
  PAYLOAD_TOO_LARGE: { status: 413, title: 'The message is too large for MQTT' },
  BAD_ENVELOPE: { status: 400, title: 'This is not a request of a Nest client' },
  TOO_MANY_REQUESTS: { status: 429, title: 'Too many requests are waiting' },
  BROKER_UNAVAILABLE: { status: 503, title: 'The broker is away' },
  BROKER_ACCOUNT_TAKEN: { status: 409, title: 'The name is taken at the broker' },
  BROKER_TIMEOUT: { status: 504, title: 'The broker did not answer in time' },
});
