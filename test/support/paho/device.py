"""A device as somebody who has never heard of Signalbox writes it: paho 1.6, MQTT 3.1.1, topics of their own.

Prints one JSON line for each thing that happens: {"ready": true, ..}, {"acknowledged": <reading>} (QoS 0: written), and
{"command": <payload>, ..}.
"""

import argparse
import json
import random
import threading

import paho.mqtt.client as mqtt

parser = argparse.ArgumentParser()
parser.add_argument("--host", default="127.0.0.1")
parser.add_argument("--port", type=int, default=1883)
parser.add_argument("--qos", type=int, choices=(0, 1, 2), default=1)
parser.add_argument("--interval", type=float, default=5.0, help="seconds between readings")
args = parser.parse_args()

readings = {}
lock = threading.RLock()


def say(**what):
    print(json.dumps(what), flush=True)


def on_connect(client, userdata, flags, rc):
    if rc != 0:
        say(refused=rc)
        return
    client.subscribe("poc/device/control", qos=args.qos)


def on_subscribe(client, userdata, mid, granted_qos):
    say(ready=True, granted=list(granted_qos))


def on_message(client, userdata, message):
    say(command=json.loads(message.payload), raw=message.payload.decode(), qos=message.qos, retain=bool(message.retain))


def on_publish(client, userdata, mid):
    with lock:
        reading = readings.pop(mid, None)
    say(acknowledged=reading)


client = mqtt.Client(client_id="my-sensor-board", protocol=mqtt.MQTTv311)
client.on_connect = on_connect
client.on_subscribe = on_subscribe
client.on_message = on_message
client.on_publish = on_publish
client.connect(args.host, args.port, keepalive=60)
client.loop_start()
try:
    while True:
        reading = {"temperature": round(random.uniform(18, 26), 2), "humidity": round(random.uniform(30, 60), 1)}
        with lock:
            # The acknowledgement may come in on paho's own thread before publish() returns its mid.
            info = client.publish("poc/device/sensor", json.dumps(reading), qos=args.qos)
            readings[info.mid] = reading
        threading.Event().wait(args.interval)
except KeyboardInterrupt:
    client.disconnect()
    client.loop_stop()
