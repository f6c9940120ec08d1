import { defineErrors } from '../common/errors.js';

/** What can go wrong when Signalbox itself publishes. */
export const MqttErrors = defineErrors({
  PUBLISH_REFUSED: { status: 400, title: 'The broker does not accept this message' },
  PAYLOAD_TOO_LARGE: { status: 413, title: 'The message is too large for MQTT' },
  BROKER_UNAVAILABLE: { status: 503, title: 'The broker is away' },
  BROKER_TIMEOUT: { status: 504, title: 'The broker did not answer in time' },
});
