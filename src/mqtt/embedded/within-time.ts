import { MqttErrors } from '../mqtt.errors.js';

const PUBLISH_TIMEOUT_MS = 10_000;

/** Resolves and rejects as `accepted` does, or after 10 s with BROKER_TIMEOUT. */
export async function withinTime(accepted: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    const seconds = PUBLISH_TIMEOUT_MS / 1_000;
    const detail = `The MQTT broker did not accept the message within ${seconds} s.`;
    timer = setTimeout(() => reject(MqttErrors.BROKER_TIMEOUT(detail)), PUBLISH_TIMEOUT_MS);
  });
  try {
    await Promise.race([accepted, late]);
  } finally {
    clearTimeout(timer);
  }
}
