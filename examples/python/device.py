#!/usr/bin/env python3
"""A device for Signalbox in Python: it publishes readings, says when it is online, and answers commands.

    pip install -r requirements.txt
    python3 device.py --id greenhouse-1

It keeps the four rules that make a device a good citizen (marked "Rule" below):

1. Subscribe first, then say online. Commands that are waiting are sent the moment a device is online; one that subscribes
   later misses them.
2. Remember the last 32 command ids with their answers. A command may come twice (its acknowledgement was lost): a repeat is
   answered with the stored answer and not carried out again.
3. A command whose ttlMs has passed since it was received is answered with `rejected`, code EXPIRED.
4. An unknown type is answered with `rejected`.

Readings carry their own time and an id, so that one that is sent twice is stored once. paho keeps what is not acknowledged
and sends it again after a reconnect.
"""

import argparse
import json
import os
import queue
import random
import signal
import threading
import time
import uuid
from collections import OrderedDict

import paho.mqtt.client as mqtt

REMEMBERED = 32


class Device:
    def __init__(self, device_id, host, port, prefix="devices", interval=5.0, secret=None):
        self.up = f"{prefix}/{device_id}/up"
        self.down = f"{prefix}/{device_id}/down"
        self.address = (host, port)
        self.interval = interval
        self.session = uuid.uuid4().hex  # names this boot in the presence
        self.count = 0
        self.fan = False
        self.actions = {"PING": self.ping, "TURN_ON_FAN": self.turn_on_fan, "TURN_OFF_FAN": self.turn_off_fan}
        self.answers = OrderedDict()  # command id -> last answer, None while it waits
        self.lock = threading.RLock()  # answers are given on two threads, paho's and the worker's
        self.waiting = queue.Queue()
        self.stopped = threading.Event()
        self.subscription = None

        self.client = new_client(device_id)
        if secret:
            self.client.username_pw_set(device_id, secret)
        # The will: the broker publishes it when this device vanishes without a goodbye.
        self.client.will_set(f"{self.up}/status", self.status(online=False), qos=1, retain=True)
        self.client.reconnect_delay_set(min_delay=1, max_delay=30)
        self.client.max_queued_messages_set(1000)  # readings kept while the service is away
        self.client.on_connect = self.on_connect
        self.client.on_subscribe = self.on_subscribe
        self.client.on_message = self.on_message

    # -- connection ---------------------------------------------------------------------------------------------------

    def on_connect(self, client, userdata, flags, reason, *_):
        if getattr(reason, "value", reason) != 0:
            print(f"connection refused: {reason}", flush=True)
            return
        # Rule 1: subscribe first ...
        filters = [f"{self.down}/commands/+", f"{self.down}/commands/+/cancel", f"{self.down}/errors"]
        _, self.subscription = client.subscribe([(topic, 1) for topic in filters])

    def on_subscribe(self, client, userdata, mid, granted, *_):
        if mid != self.subscription:
            return
        if any(getattr(code, "value", code) >= 128 for code in granted):
            print("a subscription was refused", flush=True)
            return
        # ... then say online.
        client.publish(f"{self.up}/status", self.status(online=True), qos=1, retain=True)
        print("online", flush=True)

    def status(self, online):
        return json.dumps({"online": online, "session": self.session})

    # -- readings -----------------------------------------------------------------------------------------------------

    def publish_reading(self):
        self.count += 1
        reading = {
            "values": {"temperature": round(random.gauss(21, 0.5), 2), "humidity": round(random.gauss(45, 2), 1), "fan": self.fan},
            "ts": int(time.time() * 1000),
            "id": f"{self.session}-{self.count}",
        }
        self.client.publish(f"{self.up}/telemetry", json.dumps(reading), qos=1)

    # -- commands -----------------------------------------------------------------------------------------------------

    def on_message(self, client, userdata, message):
        if message.topic == f"{self.down}/errors":
            print(f"the service says: {message.payload.decode(errors='replace')}", flush=True)
            return
        command_id, _, cancel = message.topic[len(f"{self.down}/commands/") :].partition("/")
        if cancel:
            self.on_cancel(command_id)
        else:
            self.on_command(command_id, message.payload)

    def on_command(self, command_id, payload):
        with self.lock:
            # Rule 2: what was answered before is answered the same again, and not carried out again.
            if command_id in self.answers:
                if self.answers[command_id] is not None:
                    self.send(command_id, self.answers[command_id])
                return
            try:
                command = json.loads(payload)
                kind, params, ttl_ms = command["type"], command.get("params") or {}, command.get("ttlMs")
                expires = None if ttl_ms is None else time.monotonic() + ttl_ms / 1000
                known = kind in self.actions
            except (ValueError, KeyError, TypeError, AttributeError):
                self.answer(command_id, status="rejected", code="BAD_COMMAND")
                return
            if not known:  # Rule 4
                self.answer(command_id, status="rejected", code="UNKNOWN_TYPE")
            elif self.waiting.qsize() >= REMEMBERED:
                self.answer(command_id, status="rejected", code="BUSY")
            else:
                self.answers[command_id] = None
                self.waiting.put((command_id, kind, params, expires))

    def on_cancel(self, command_id):
        """A command that waits is given up, one that has begun runs to its end; the service is told which it was."""
        with self.lock:
            if command_id not in self.answers:
                return
            if self.answers[command_id] is None:
                self.answer(command_id, status="cancelled")
            else:
                self.send(command_id, self.answers[command_id])

    def begin(self, command_id, expires):
        """True where the command may be carried out now."""
        with self.lock:
            if self.answers.get(command_id) is not None:  # cancelled while it waited
                return False
            if expires is not None and time.monotonic() >= expires:  # Rule 3
                self.answer(command_id, status="rejected", code="EXPIRED")
                return False
            self.answer(command_id, status="accepted")
            return True

    def work(self):
        """Carries out commands one after another, away from paho's thread."""
        while not self.stopped.is_set():
            try:
                command_id, kind, params, expires = self.waiting.get(timeout=0.2)
            except queue.Empty:
                continue
            if not self.begin(command_id, expires):
                continue
            try:
                self.answer(command_id, status="succeeded", result=self.actions[kind](params))
            except Exception as error:  # whatever went wrong, the sender must hear of it
                self.answer(command_id, status="failed", code="ERROR", message=str(error))

    def answer(self, command_id, **answer):
        with self.lock:
            self.answers[command_id] = answer
            finished = [key for key, given in self.answers.items() if given and given["status"] != "accepted"]
            for key in finished[:-REMEMBERED]:
                del self.answers[key]
            self.send(command_id, answer)

    def send(self, command_id, answer):
        self.client.publish(f"{self.up}/commands/{command_id}", json.dumps(answer), qos=1)

    def ping(self, params):
        return {}

    def turn_on_fan(self, params):
        self.fan = True
        return {"fan": True}

    def turn_off_fan(self, params):
        self.fan = False
        return {"fan": False}

    # -- life ---------------------------------------------------------------------------------------------------------

    def run(self):
        self.client.connect_async(*self.address, keepalive=30)
        self.client.loop_start()
        worker = threading.Thread(target=self.work)
        worker.start()
        while not self.stopped.wait(self.interval):
            self.publish_reading()
        worker.join()
        # A clean goodbye cancels the will, so the device says offline itself.
        if self.client.is_connected():
            self.client.publish(f"{self.up}/status", self.status(online=False), qos=1, retain=True).wait_for_publish(5)
        self.client.disconnect()
        self.client.loop_stop()


def new_client(device_id):
    """paho 2 wants to be told which form of callbacks is meant; paho 1.6 has only one."""
    if hasattr(mqtt, "CallbackAPIVersion"):
        return mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=device_id, protocol=mqtt.MQTTv311)
    return mqtt.Client(client_id=device_id, protocol=mqtt.MQTTv311)


def main():
    parser = argparse.ArgumentParser(description="A device for Signalbox.")
    parser.add_argument("--id", default="python-1", help="the device id (default: python-1)")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=1883)
    parser.add_argument("--prefix", default="devices", help="TOPIC_PREFIX of the service")
    parser.add_argument("--interval", type=float, default=5.0, help="seconds between readings")
    args = parser.parse_args()
    # A credential does not belong into the list of processes: it comes from the environment.
    device = Device(args.id, args.host, args.port, args.prefix, args.interval, os.environ.get("DEVICE_SECRET"))
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: device.stopped.set())
    device.run()


if __name__ == "__main__":
    main()
