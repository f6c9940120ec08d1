// A device for Signalbox on an ESP32: it publishes readings, says when it is online, and answers commands.
//
// It keeps the four rules that make a device a good citizen (marked "Rule" below, and carried out in command_memory.h):
//
// 1. Subscribe first, then say online. Commands that are waiting are sent the moment a device is online; one that subscribes
//    later misses them.
// 2. Remember the last 32 command ids with their answers. A command may come twice (its acknowledgement was lost): a repeat is
//    answered with the stored answer and not carried out again.
// 3. A command whose ttlMs has passed since it was received is answered with `rejected`, code EXPIRED.
// 4. An unknown type is answered with `rejected`.
//
// All of it runs in loop(), without tasks, locks or waiting, and in fixed memory.

#include <Arduino.h>
#include <ArduinoJson.h>
#include <WiFi.h>
#include <espMqttClient.h>
#include <time.h>

#include "command_memory.h"
#include "settings.h"

// The MQTT library takes topics of at most 128 characters, and the longest is devices/../down/commands/<uuid>/cancel.
static_assert(sizeof kDeviceId <= 61, "the device id is too long");

// Commands of more bytes are answered with `rejected`, code TOO_LARGE. The service sends up to 33 KiB; the params that are kept
// while a command waits have room for kParamsSize.
constexpr size_t kLargestCommand = 1024;
// Readings that are kept until they are acknowledged; the oldest make room for new ones.
constexpr size_t kReadings = 64;
constexpr uint32_t kReconnectEveryMs = 5000;
constexpr size_t kTopicSize = 129;

constexpr char kOffline[] = "{\"online\":false,\"session\":\"%08lx\"}";
constexpr char kOnline[] = "{\"online\":true,\"session\":\"%08lx\"}";

struct Reading {
  uint32_t number;  // 0: none
  uint64_t ts;      // epoch milliseconds, 0 while the clock is not set
  float temperature;
  int32_t packetId;  // -1: to be sent
};

struct Calibration {
  int steps, stepMs, done;
  uint32_t lastAt;
  float sum;
};

espMqttClient mqttClient(espMqttClientTypes::UseInternalTask::NO);
char will[64], willTopic[kTopicSize];
uint32_t session;
bool isOnline = false;
uint32_t triedAt = 0;

Reading readings[kReadings];
uint32_t readingCount = 0;
uint32_t readAt = 0;
bool fan = false;

char incoming[kLargestCommand + 1];
Calibration calibration;

void publishReading(Reading& reading);
void connectionLost();
void resend();
void turnFan(bool on);
bool calibrate();

void topicOf(char* topic, const char* rest) { snprintf(topic, kTopicSize, "devices/%s/%s", kDeviceId, rest); }

// -- connection -------------------------------------------------------------------------------------------------------

void keepConnected() {
  const uint32_t now = millis();
  if (!mqttClient.disconnected() || WiFi.status() != WL_CONNECTED || now - triedAt < kReconnectEveryMs) return;
  triedAt = now;
  mqttClient.connect();
}

void onConnect(bool) {
  char commands[kTopicSize], cancels[kTopicSize], errors[kTopicSize];
  topicOf(commands, "down/commands/+");
  topicOf(cancels, "down/commands/+/cancel");
  topicOf(errors, "down/errors");
  // Rule 1: subscribe first ...
  mqttClient.subscribe(commands, 1, cancels, 1, errors, 1);
}

void onSubscribe(uint16_t, const espMqttClientTypes::SubscribeReturncode* codes, size_t count) {
  for (size_t i = 0; i < count; i++) {
    if (codes[i] == espMqttClientTypes::SubscribeReturncode::FAIL) {
      Serial.println("a subscription was refused");
      mqttClient.disconnect(true);
      return;
    }
  }
  // ... then say online.
  char topic[kTopicSize], status[64];
  topicOf(topic, "up/status");
  snprintf(status, sizeof status, kOnline, static_cast<unsigned long>(session));
  mqttClient.publish(topic, 1, true, status);
  Serial.println("online");
  isOnline = true;
  resend();
}

void onDisconnect(espMqttClientTypes::DisconnectReason) {
  isOnline = false;
  // The library would send again what was not acknowledged, "online" too, and before the subscription. We know better what is
  // still worth saying, and in how much memory.
  mqttClient.clearQueue(true);
  connectionLost();
}

// -- readings ---------------------------------------------------------------------------------------------------------

float measure() { return 21.0f + static_cast<float>(esp_random() % 1000) / 1000.0f; }

void takeReading() {
  const uint32_t now = millis();
  if (now - readAt < kReadingEveryMs) return;
  readAt = now;
  timeval clock;
  gettimeofday(&clock, nullptr);
  // NTP sets the clock some seconds after the start. Without a time the service takes that of receipt.
  const bool isSet = clock.tv_sec > 1700000000;
  const uint64_t ts = isSet ? clock.tv_sec * 1000ULL + clock.tv_usec / 1000 : 0;
  readingCount += 1;
  Reading& reading = readings[readingCount % kReadings];
  reading = {readingCount, ts, measure(), -1};
  if (isOnline) publishReading(reading);
}

void publishReading(Reading& reading) {
  JsonDocument body;
  body["values"]["temperature"] = reading.temperature;
  body["values"]["fan"] = fan;
  if (reading.ts != 0) body["ts"] = reading.ts;
  char id[32], topic[kTopicSize], payload[160];
  // With an id a reading that is sent twice is stored once.
  snprintf(id, sizeof id, "%08lx-%lu", static_cast<unsigned long>(session), static_cast<unsigned long>(reading.number));
  body["id"] = id;
  serializeJson(body, payload, sizeof payload);
  topicOf(topic, "up/telemetry");
  const uint16_t packetId = mqttClient.publish(topic, 1, false, payload);
  reading.packetId = packetId == 0 ? -1 : packetId;
}

// -- commands ---------------------------------------------------------------------------------------------------------

uint16_t sendAnswer(const char* id, const char* answer) {
  if (!isOnline) return 0;
  char rest[96], topic[kTopicSize];
  snprintf(rest, sizeof rest, "up/commands/%s", id);
  topicOf(topic, rest);
  return mqttClient.publish(topic, 1, false, answer);
}

bool readSteps(const char* params, Calibration& into) {
  JsonDocument body;
  if (deserializeJson(body, params) != DeserializationError::Ok) return false;
  const JsonVariantConst steps = body["steps"], stepMs = body["stepMs"];
  if (!steps.isNull() && !steps.is<int>()) return false;
  if (!stepMs.isNull() && !stepMs.is<int>()) return false;
  into = {steps | 5, stepMs | 1000, 0, static_cast<uint32_t>(millis()), 0.0f};
  return into.steps >= 1 && into.steps <= 100 && into.stepMs >= 1 && into.stepMs <= 60000;
}

bool takesSteps(const char* params) {
  Calibration unused;
  return readSteps(params, unused);
}

// Rule 4: what is not in here is answered with UNKNOWN_TYPE. Add yours, and what it does to begin().
const signalbox::Type kTypes[] = {
    {"PING", nullptr},
    {"TURN_ON_FAN", nullptr},
    {"TURN_OFF_FAN", nullptr},
    {"CALIBRATE", takesSteps},
};
signalbox::CommandMemory memory(sendAnswer, kTypes);

void onCommand(const char* id, const char* payload, size_t size) {
  JsonDocument body;
  const bool isJson = deserializeJson(body, payload, size) == DeserializationError::Ok;
  const JsonVariantConst params = body["params"], ttl = body["ttlMs"];
  const bool isCommand = isJson && body["type"].is<const char*>() && (params.isNull() || params.is<JsonObjectConst>()) &&
                         (ttl.isNull() || ttl.is<uint32_t>());
  if (!isCommand) return memory.refuse(id, "BAD_COMMAND");
  char text[signalbox::kParamsSize];
  strcpy(text, "{}");
  if (!params.isNull()) {
    if (measureJson(params) >= sizeof text) return memory.refuse(id, "TOO_LARGE");
    serializeJson(params, text, sizeof text);
  }
  memory.receive(id, body["type"].as<const char*>(), text, ttl | signalbox::kNoTtl, millis());
}

// A long payload comes in several pieces.
void onMessage(const espMqttClientTypes::MessageProperties&, const char* topic, const uint8_t* payload, size_t size,
               size_t index, size_t total) {
  if (index + size <= kLargestCommand) memcpy(incoming + index, payload, size);
  if (index + size < total) return;
  char start[kTopicSize];
  topicOf(start, "down/commands/");
  if (strncmp(topic, start, strlen(start)) != 0) {
    Serial.printf("the service says: %.*s\n", static_cast<int>(min(total, kLargestCommand)), incoming);
    return;
  }
  char id[kTopicSize];
  strncpy(id, topic + strlen(start), sizeof id - 1);
  id[sizeof id - 1] = '\0';
  char* rest = strchr(id, '/');
  if (rest != nullptr) *rest = '\0';
  if (rest != nullptr) memory.cancel(id);
  else if (total > kLargestCommand) memory.refuse(id, "TOO_LARGE");
  else onCommand(id, incoming, total);
}

// Carries out commands one after another. None may wait: what takes long makes its next step when it is time (calibrate).
const signalbox::Command* current = nullptr;

void carryOut() {
  if (current == nullptr) {
    current = memory.begin(millis());  // Rules 2 and 3 are in there.
    if (current == nullptr) return;
    if (strcmp(current->type, "CALIBRATE") == 0) {
      readSteps(current->params, calibration);
      return;
    }
    if (strcmp(current->type, "TURN_ON_FAN") == 0) turnFan(true);
    else if (strcmp(current->type, "TURN_OFF_FAN") == 0) turnFan(false);
    else memory.succeeded("{}");
    current = nullptr;
  } else if (calibrate()) {
    current = nullptr;
  }
}

void turnFan(bool on) {
  fan = on;
  memory.succeeded(on ? "{\"fan\":true}" : "{\"fan\":false}");
}

// Makes the next step when it is time. True at the end. It may be cancelled, because only the end changes anything.
bool calibrate() {
  const uint32_t now = millis();
  if (now - calibration.lastAt < static_cast<uint32_t>(calibration.stepMs)) return false;
  if (memory.isCancelled()) {
    memory.cancelled();
    return true;
  }
  calibration.lastAt = now;
  calibration.done += 1;
  calibration.sum += measure() - 21.5f;
  memory.progress(100 * calibration.done / calibration.steps);
  if (calibration.done < calibration.steps) return false;
  char result[48];
  snprintf(result, sizeof result, "{\"offset\":%.3f}", static_cast<double>(calibration.sum / calibration.steps));
  memory.succeeded(result);
  return true;
}

// -- what is not acknowledged -----------------------------------------------------------------------------------------

void onPublish(uint16_t packetId) {
  memory.acknowledged(packetId);
  for (Reading& reading : readings) {
    if (reading.packetId == packetId) reading.number = 0;
  }
}

void connectionLost() {
  memory.connectionLost();
  for (Reading& reading : readings) reading.packetId = -1;
}

void resend() {
  memory.resend();
  for (size_t i = 1; i <= kReadings; i++) {
    Reading& reading = readings[(readingCount + i) % kReadings];
    if (reading.number != 0) publishReading(reading);
  }
}

// -- life -------------------------------------------------------------------------------------------------------------

void setup() {
  Serial.begin(115200);
  session = esp_random();  // names this boot in the presence
  WiFi.mode(WIFI_STA);
  WiFi.setAutoReconnect(true);
  WiFi.begin(kWifiName, kWifiPassword);
  configTime(0, 0, kTimeServer);

  // The will: the broker publishes it when this device vanishes without a goodbye.
  topicOf(willTopic, "up/status");
  snprintf(will, sizeof will, kOffline, static_cast<unsigned long>(session));
  mqttClient.setServer(kHost, kPort);
  mqttClient.setClientId(kDeviceId);
  mqttClient.setKeepAlive(30);
  mqttClient.setCleanSession(true);
  mqttClient.setWill(willTopic, 1, true, will);
  if (kSecret[0] != '\0') mqttClient.setCredentials(kDeviceId, kSecret);
  mqttClient.onConnect(onConnect);
  mqttClient.onSubscribe(onSubscribe);
  mqttClient.onDisconnect(onDisconnect);
  mqttClient.onMessage(onMessage);
  mqttClient.onPublish(onPublish);
}

void loop() {
  keepConnected();
  mqttClient.loop();
  takeReading();
  carryOut();
}
