import { IsInt, IsNotEmpty, Max } from 'class-validator';
import { IsPortNumber, Setting, wholeNumber } from './setting.decorator.js';

/** The embedded broker's listener and its limits. */
export class MqttConfig {
  @Setting('MQTT_HOST', '127.0.0.1')
  @IsNotEmpty({ message: 'must be an address or a host name of this machine' })
  readonly host!: string;

  /** 0 = any free port. */
  @Setting('MQTT_PORT', '1883', wholeNumber)
  @IsPortNumber()
  readonly port!: number;

  /** Packets per second from one client id, with a burst of ten times that; 0 = no limit. */
  @Setting('MQTT_DEVICE_RATE', '100', wholeNumber)
  @IsInt()
  @Max(10_000_000, { message: 'must be at most 10000000' })
  readonly deviceRate!: number;
}
