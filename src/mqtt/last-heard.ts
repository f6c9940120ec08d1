/** When each device was last heard over MQTT by this process, in epoch milliseconds; to be taken away and kept elsewhere. */
export class LastHeard {
  private heard = new Map<string, number>();

  note(deviceId: string, at: number): void {
    this.heard.set(deviceId, at);
  }

  /** What was noted since the last call. */
  take(): ReadonlyMap<string, number> {
    const taken = this.heard;
    this.heard = new Map();
    return taken;
  }
}
