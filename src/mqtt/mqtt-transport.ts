/** Names our transport strategy, so that Nest gives it the handlers of `@OnTopic` and no others. */
export const MQTT_TRANSPORT = Symbol('signalbox.mqtt');
