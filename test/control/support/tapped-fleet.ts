import { Fleet } from '../../replica/support/fleet.js';
import { MqttTap } from './mqtt-tap.js';
import { type Habit, ObedientDevice } from './obedient-device.js';
import { Witness } from './truth.js';

/** Replicas with a tap between each of them and the broker, so that it shows which of them publishes and reads what. */
export class TappedFleet {
  readonly witness: Witness;
  readonly devices: ObedientDevice[] = [];

  private constructor(
    readonly fleet: Fleet,
    readonly taps: readonly MqttTap[],
  ) {
    this.witness = new Witness(...taps);
  }

  /** Starts two replicas; `settingsOf` adds settings to those of a place, at each start there. */
  static async start(
    settingsOf: (place: number, tap: MqttTap) => Readonly<Record<string, string>> = () => ({}),
  ): Promise<TappedFleet> {
    const taps = [await MqttTap.start(), await MqttTap.start()];
    const fleet = await Fleet.start(taps.length, (place, port) => {
      taps[place]!.target = port;
      return { MQTT_URL: taps[place]!.url, ...settingsOf(place, taps[place]!) };
    });
    return new TappedFleet(fleet, taps);
  }

  urlOf(place: number): string {
    return this.fleet.replicas[place]!.httpUrl;
  }

  /** Connects a device, which is gone with the fleet. */
  async device(id: string, habit: Habit, clean = true): Promise<ObedientDevice> {
    const device = new ObedientDevice(this.fleet.brokerUrl, id, habit, clean);
    this.devices.push(device);
    await device.ready();
    return device;
  }

  /** SIGKILL; nobody says anything to this place any more. */
  async kill(place: number): Promise<void> {
    await this.fleet.replicas[place]!.stop('SIGKILL');
    this.taps[place]!.restore();
  }

  async stop(): Promise<void> {
    await Promise.all(this.devices.map((device) => device.end()));
    await this.fleet.stop();
    await Promise.all(this.taps.map((tap) => tap.stop()));
  }
}
