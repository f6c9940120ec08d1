#!/usr/bin/env python3
"""A device for Signalbox in Python: it publishes readings, says when it is online, and answers commands.

    pip install -r requirements.txt
    python3 device.py --id greenhouse-1
    python3 device.py --id greenhouse-1 --sleepy 60

It keeps the four rules that make a device a good citizen (marked "Rule" below):

1. Subscribe first, then say online. Commands that are waiting are sent the moment a device is online; one that subscribes
   later misses them.
2. Remember the last 32 command ids with their answers. A command may come twice (its acknowledgement was lost): a repeat is
   answered with the stored answer and not carried out again.
3. A command whose ttlMs has passed since it was received is answered with `rejected`, code EXPIRED.
4. An unknown type is answered with `rejected`.

An answer is as true as the device makes it: `rejected` and `cancelled` say that nothing was done, `succeeded` that all was,
and `failed` that it was tried.

Readings carry their own time and an id, so that one that is sent twice is stored once. paho keeps what is not acknowledged,
readings and answers, and sends it again after a reconnect.
"""

import argparse
import inspect
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
MOST_UNACKNOWLEDGED = 1000  # readings beyond this are not taken, so that there is always room for answers
LONGEST_SILENCE = 10  # seconds that a sleepy device stays awake for a service that says nothing


class Device:
    def __init__(self, device_id, host, port, prefix="devices", interval=5.0, secret=None, sleepy=None):
        self.up = f"{prefix}/{device_id}/up"
        self.down = f"{prefix}/{device_id}/down"
        self.address = (host, port)
        self.interval = interval
        self.sleepy = sleepy
        self.session = uuid.uuid4().hex  # names this boot in the presence
        self.count = 0
        self.fan = False
        self.actions = {
            "PING": self.ping,
            "TURN_ON_FAN": self.turn_on_fan,
            "TURN_OFF_FAN": self.turn_off_fan,
            "CALIBRATE": self.calibrate,
        }
        self.answers = OrderedDict()  # command id -> last answer, None while it waits
        self.cancelled = set()  # ids to be given up while they run
        self.lock = threading.RLock()  # answers are given on two threads, paho's and the worker's
        self.waiting = queue.Queue()
        self.stopped = threading.Event()
        self.subscription = None
        self.published = self.acknowledged = 0
        self.counting = threading.Lock()
        self.received, self.announced = 0, None  # commands on this connection, and how many down/acks speaks of

        self.client = new_client(device_id)
        if secret:
            self.client.username_pw_set(device_id, secret)
        # The will: the broker publishes it when this device vanishes without a goodbye.
        self.client.will_set(f"{self.up}/status", self.status(online=False), qos=1, retain=True)
        self.client.reconnect_delay_set(min_delay=1, max_delay=30)
        self.client.on_connect = self.on_connect
        self.client.on_subscribe = self.on_subscribe
        self.client.on_disconnect = self.on_disconnect
        self.client.on_publish = self.on_publish
        self.client.on_message = self.on_message

    # -- connection ---------------------------------------------------------------------------------------------------

    def on_connect(self, client, userdata, flags, reason, *_):
        if getattr(reason, "value", reason) != 0:
            print(f"connection refused: {reason}", flush=True)
            return
        # Rule 1: subscribe first ...
        filters = [f"{self.down}/commands/+", f"{self.down}/commands/+/cancel", f"{self.down}/errors", f"{self.down}/acks"]
        _, self.subscription = client.subscribe([(topic, 1) for topic in filters])

    def on_subscribe(self, client, userdata, mid, granted, *_):
        if mid != self.subscription:
            return
        if any(getattr(code, "value", code) >= 128 for code in granted):
            print("a subscription was refused", flush=True)
            return
        # ... then say online.
        self.publish("status", self.status(online=True), retain=True)
        if self.sleepy is not None:
            self.publish("commands/get", json.dumps({"max": REMEMBERED}))
        print("online", flush=True)

    def on_disconnect(self, *_):
        self.received, self.announced = 0, None

    def status(self, online):
        return json.dumps({"online": online, "session": self.session})

    def publish(self, topic, payload, retain=False):
        with self.counting:
            self.published += 1
        return self.client.publish(f"{self.up}/{topic}", payload, qos=1, retain=retain)

    def on_publish(self, *_):
        self.acknowledged += 1

    # -- readings -----------------------------------------------------------------------------------------------------

    def publish_reading(self):
        if self.published - self.acknowledged >= MOST_UNACKNOWLEDGED:
            return
        self.count += 1
        reading = {
            "values": {"temperature": round(random.gauss(21, 0.5), 2), "humidity": round(random.gauss(45, 2), 1), "fan": self.fan},
            "ts": int(time.time() * 1000),
            "id": f"{self.session}-{self.count}",
        }
        self.publish("telemetry", json.dumps(reading))

    # -- commands -----------------------------------------------------------------------------------------------------

    def on_message(self, client, userdata, message):
        topic = message.topic[len(self.down) + 1 :]
        if topic == "errors":
            print(f"the service says: {message.payload.decode(errors='replace')}", flush=True)
        elif topic == "acks":
            self.on_acks(message.payload)
        elif topic.endswith("/cancel"):
            self.on_cancel(topic.split("/")[1])
        else:
            self.on_command(topic.split("/")[1], message.payload)
            self.received += 1

    def on_command(self, command_id, payload):
        with self.lock:
            # Rule 2: what was answered before is answered the same again, and not carried out again.
            if command_id in self.answers:
                if self.answers[command_id] is not None:
                    self.send(command_id, self.answers[command_id])
                return
            try:
                kind, params, expires = parse(payload)
            except Exception:  # no form of payload may end the thread of paho, not even a very deep one
                self.answer(command_id, status="rejected", code="BAD_COMMAND")
                return
            code = self.refusal(kind, params)
            if code is not None:
                self.answer(command_id, status="rejected", code=code)
            else:
                self.answers[command_id] = None
                self.waiting.put((command_id, kind, params, expires))

    def refusal(self, kind, params):
        """Why a command is not carried out, found before anything is done; None where nothing speaks against it."""
        if kind not in self.actions:  # Rule 4
            return "UNKNOWN_TYPE"
        if kind == "CALIBRATE" and not (whole(params.get("steps", 5), 1, 100) and whole(params.get("stepMs", 1000), 1, 60_000)):
            return "BAD_PARAMS"
        return "BUSY" if self.waiting.qsize() >= REMEMBERED else None

    def on_cancel(self, command_id):
        """A command that waits is given up now, one that runs at its next step; what is finished is answered again."""
        with self.lock:
            if command_id not in self.answers:
                return
            given = self.answers[command_id]
            if given is None:
                self.answer(command_id, status="cancelled")
            elif finished(given):
                self.send(command_id, given)
            else:
                self.cancelled.add(command_id)

    def work(self):
        """Carries out commands one after another, away from paho's thread."""
        while not self.stopped.is_set():
            try:
                command_id, kind, params, expires = self.waiting.get(timeout=0.2)
            except queue.Empty:
                continue
            if self.begin(command_id, expires):
                self.carry_out(command_id, kind, params)
                self.cancelled.discard(command_id)

    def begin(self, command_id, expires):
        """True where the command may be carried out now."""
        with self.lock:
            if self.answers.get(command_id, "forgotten") is not None:  # cancelled while it waited
                return False
            if expires is not None and time.monotonic() >= expires:  # Rule 3
                self.answer(command_id, status="rejected", code="EXPIRED")
                return False
            self.answer(command_id, status="accepted")
            return True

    def carry_out(self, command_id, kind, params):
        try:
            result = self.actions[kind](params)
            if inspect.isgenerator(result):  # a long one: it yields its progress
                result = self.carry_out_steps(command_id, result)
            self.answer(command_id, status="succeeded", result=result)
        except Cancelled:
            self.answer(command_id, status="cancelled")
        except Exception as error:  # whatever went wrong, the sender must hear of it
            self.answer(command_id, status="failed", code="ERROR", message=str(error))

    def carry_out_steps(self, command_id, steps):
        while True:
            try:
                progress = next(steps)
            except StopIteration as end:
                return end.value
            if command_id in self.cancelled:
                steps.close()
                raise Cancelled
            if self.stopped.is_set():
                steps.close()
                raise RuntimeError("the device was stopped")
            self.answer(command_id, status="progress", progress=progress)

    def answer(self, command_id, **answer):
        with self.lock:
            self.answers[command_id] = answer
            self.answers.move_to_end(command_id)  # the last to finish stay, however long they took
            ended = [key for key, given in self.answers.items() if given and finished(given)]
            for key in ended[:-REMEMBERED]:
                del self.answers[key]
            self.send(command_id, answer)

    def send(self, command_id, answer):
        self.publish(f"commands/{command_id}", json.dumps(answer))

    # -- what it can do -----------------------------------------------------------------------------------------------

    def ping(self, params):
        return {}

    def turn_on_fan(self, params):
        self.fan = True
        return {"fan": True}

    def turn_off_fan(self, params):
        self.fan = False
        return {"fan": False}

    def calibrate(self, params):
        """A long one: it yields its progress after each step, and may be cancelled there, because only the end changes anything."""
        steps, samples = params.get("steps", 5), []
        for step in range(1, steps + 1):
            self.stopped.wait(params.get("stepMs", 1000) / 1000)
            samples.append(random.gauss(0, 0.1))
            yield round(100 * step / steps)
        return {"offset": round(sum(samples) / steps, 3)}

    # -- life ---------------------------------------------------------------------------------------------------------

    def run(self):
        worker = threading.Thread(target=self.work)
        worker.start()
        while not self.stopped.is_set():
            self.client.connect_async(*self.address, keepalive=30)
            self.client.loop_start()
            if self.sleepy is None:
                while not self.stopped.wait(self.interval):
                    self.publish_reading()
            else:
                self.catch_up()
                self.publish_reading()
            if self.stopped.is_set():
                worker.join()
            self.say_goodbye()
            self.stopped.wait(self.sleepy)
        worker.join()

    def say_goodbye(self):
        # A clean goodbye cancels the will, so the device says offline itself.
        if self.client.is_connected():
            self.publish("status", self.status(online=False), retain=True)
            wait(lambda: self.acknowledged >= self.published, 5)
        self.client.disconnect()
        self.client.loop_stop()

    # -- a device that sleeps -----------------------------------------------------------------------------------------

    def on_acks(self, payload):
        """The service says how many commands it has sent us. They have another QoS and may come in after this."""
        try:
            announced = json.loads(payload)["commands"]
        except Exception:
            return  # about a reading
        if whole(announced, 0, 100_000):
            self.announced = announced

    def catch_up(self):
        """Waits until the service has told how many commands are pending, and these are here and worked off."""
        wait(lambda: self.stopped.is_set() or self.all_received(), LONGEST_SILENCE)
        wait(lambda: self.stopped.is_set() or self.all_finished())

    def all_received(self):
        return self.announced is not None and self.received >= self.announced

    def all_finished(self):
        with self.lock:
            return all(given and finished(given) for given in self.answers.values())


class Cancelled(Exception):
    """The service asked for the running command to be given up."""


def parse(payload):
    """The type, the params and the end of the time (on the monotonic clock, None: no end) of a command."""
    command = json.loads(payload)
    kind, params, ttl_ms = command["type"], command.get("params", {}), command.get("ttlMs")
    if not isinstance(kind, str) or not isinstance(params, dict):
        raise ValueError
    return kind, params, None if ttl_ms is None else time.monotonic() + ttl_ms / 1000


def finished(answer):
    return answer["status"] not in ("accepted", "progress")


def whole(value, least, most):
    return type(value) is int and least <= value <= most


def wait(done, seconds=float("inf")):
    end = time.monotonic() + seconds
    while not done() and time.monotonic() < end:
        time.sleep(0.02)


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
    parser.add_argument("--sleepy", type=float, metavar="SECONDS", help="sleep so long between short visits to the service")
    args = parser.parse_args()
    # A credential does not belong into the list of processes: it comes from the environment.
    secret = os.environ.get("DEVICE_SECRET")
    device = Device(args.id, args.host, args.port, args.prefix, args.interval, secret, args.sleepy)
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: device.stopped.set())
    device.run()


if __name__ == "__main__":
    main()
