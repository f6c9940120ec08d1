// What the ESP32 example decides, run on this machine: prints each broken expectation and ends with their number.
#include "command_memory.h"

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

using signalbox::Command;
using signalbox::CommandMemory;
using signalbox::kNoTtl;

namespace {

int broken = 0;
const char* running = "";
std::vector<std::string> said;
uint16_t packets = 0;
bool connected = true;

uint16_t send(const char* id, const char* answer) {
  if (!connected) return 0;
  said.push_back(std::string(id) + " " + answer);
  return ++packets;
}

bool takesSteps(const char* params) { return std::string(params) != "{\"steps\":\"many\"}"; }

const signalbox::Type kTypes[] = {{"PING", nullptr}, {"CALIBRATE", takesSteps}};

void expectAt(int line, bool holds, const char* text) {
  if (holds) return;
  broken += 1;
  printf("line %d, %s: not so: %s\n", line, running, text);
}
#define EXPECT(condition) expectAt(__LINE__, (condition), #condition)

CommandMemory& fresh(const char* title) {
  static std::unique_ptr<CommandMemory> memory;
  memory = std::make_unique<CommandMemory>(send, kTypes);
  running = title;
  said.clear();
  packets = 0;
  connected = true;
  return *memory;
}

std::string last() { return said.empty() ? "" : said.back(); }

void ping(CommandMemory& memory, const std::string& id, uint32_t now = 0) {
  memory.receive(id.c_str(), "PING", "{}", kNoTtl, now);
}

void complete(CommandMemory& memory, const std::string& id) {
  ping(memory, id);
  if (memory.begin(0) != nullptr) memory.succeeded("{}");
}

void wholeLife() {
  CommandMemory& memory = fresh("a whole life");
  memory.receive("c1", "CALIBRATE", "{\"steps\":2}", 60000, 5);
  EXPECT(said.empty());
  const Command* command = memory.begin(6);
  EXPECT(command != nullptr && std::string(command->type) == "CALIBRATE");
  EXPECT(command != nullptr && std::string(command->params) == "{\"steps\":2}");
  EXPECT(last() == "c1 {\"status\":\"accepted\"}");
  EXPECT(memory.begin(7) == nullptr);
  memory.progress(50);
  EXPECT(last() == "c1 {\"status\":\"progress\",\"progress\":50}");
  memory.succeeded("{\"offset\":0.1}");
  EXPECT(last() == "c1 {\"status\":\"succeeded\",\"result\":{\"offset\":0.1}}");
  EXPECT(said.size() == 3);
  ping(memory, "c2");
  memory.begin(8);
  memory.failed("the sensor is gone");
  EXPECT(last() == "c2 {\"status\":\"failed\",\"code\":\"ERROR\",\"message\":\"the sensor is gone\"}");
  memory.progress(99);
  memory.succeeded("{}");
  EXPECT(said.size() == 5);
}

void repeats() {
  CommandMemory& memory = fresh("repeats");
  ping(memory, "c1");
  ping(memory, "c1");
  EXPECT(said.empty());
  EXPECT(memory.begin(0) != nullptr);
  ping(memory, "c1");
  EXPECT(said.size() == 2 && last() == "c1 {\"status\":\"accepted\"}");
  memory.progress(20);
  ping(memory, "c1");
  EXPECT(said.size() == 4 && said[3] == said[2]);
  memory.succeeded("{}");
  ping(memory, "c1");
  EXPECT(said.size() == 6 && said[5] == said[4]);
  memory.refuse("c1", "BAD_COMMAND");
  EXPECT(said.size() == 7 && said[6] == said[4]);
  EXPECT(memory.begin(0) == nullptr);
}

void thirtyThird() {
  CommandMemory& memory = fresh("the 33rd id");
  for (int i = 0; i <= 32; i++) complete(memory, "c" + std::to_string(i));
  said.clear();
  ping(memory, "c1");
  EXPECT(last() == "c1 {\"status\":\"succeeded\",\"result\":{}}");
  EXPECT(memory.begin(0) == nullptr);
  ping(memory, "c0");
  EXPECT(memory.begin(0) != nullptr);
  EXPECT(last() == "c0 {\"status\":\"accepted\"}");
}

void longOneIsRemembered() {
  CommandMemory& memory = fresh("one that took long");
  memory.receive("long", "CALIBRATE", "{}", kNoTtl, 0);
  EXPECT(memory.begin(0) != nullptr);
  for (int i = 0; i < 40; i++) memory.receive(("r" + std::to_string(i)).c_str(), "COFFEE", "{}", kNoTtl, 0);
  memory.succeeded("{}");
  memory.receive("long", "CALIBRATE", "{}", kNoTtl, 0);
  EXPECT(last() == "long {\"status\":\"succeeded\",\"result\":{}}");
  EXPECT(memory.begin(0) == nullptr);
}

void expiry() {
  CommandMemory& memory = fresh("expiry over the wrap-around of millis()");
  const uint32_t beforeWrap = UINT32_MAX - 99;  // 100 ms before it
  memory.receive("late", "PING", "{}", 1000, beforeWrap);
  EXPECT(memory.begin(900) == nullptr);
  EXPECT(last() == "late {\"status\":\"rejected\",\"code\":\"EXPIRED\"}");
  memory.receive("in-time", "PING", "{}", 1000, beforeWrap);
  EXPECT(memory.begin(899) != nullptr);
  memory.succeeded("{}");
  // Ends after the wrap-around, looked at before it; and the other way round.
  memory.receive("before", "PING", "{}", 1000, beforeWrap);
  EXPECT(memory.begin(beforeWrap + 50) != nullptr);
  memory.succeeded("{}");
  memory.receive("after", "PING", "{}", 50, beforeWrap);
  EXPECT(memory.begin(10) == nullptr);
  EXPECT(last() == "after {\"status\":\"rejected\",\"code\":\"EXPIRED\"}");
  memory.receive("at-once", "PING", "{}", 0, 5);
  EXPECT(memory.begin(5) == nullptr);
  EXPECT(last() == "at-once {\"status\":\"rejected\",\"code\":\"EXPIRED\"}");
  const uint32_t month = 30u * 24 * 3600 * 1000;
  memory.receive("month", "PING", "{}", month, beforeWrap);
  EXPECT(memory.begin(beforeWrap + (month - 1)) != nullptr);
  memory.succeeded("{}");
  memory.receive("for-ever", "PING", "{}", kNoTtl, 1);
  EXPECT(memory.begin(0) != nullptr);  // the longest time that can pass: one short of a whole round
  memory.succeeded("{}");
}

void refusals() {
  CommandMemory& memory = fresh("refusals");
  memory.receive("coffee", "MAKE_COFFEE", "{}", kNoTtl, 0);
  EXPECT(last() == "coffee {\"status\":\"rejected\",\"code\":\"UNKNOWN_TYPE\"}");
  memory.receive("steps", "CALIBRATE", "{\"steps\":\"many\"}", kNoTtl, 0);
  EXPECT(last() == "steps {\"status\":\"rejected\",\"code\":\"BAD_PARAMS\"}");
  memory.refuse("text", "BAD_COMMAND");
  EXPECT(last() == "text {\"status\":\"rejected\",\"code\":\"BAD_COMMAND\"}");
  memory.receive("wide", "PING", std::string(signalbox::kParamsSize, ' ').c_str(), kNoTtl, 0);
  EXPECT(last() == "wide {\"status\":\"rejected\",\"code\":\"TOO_LARGE\"}");
  const std::string longId(signalbox::kIdSize, 'x');
  ping(memory, longId);
  EXPECT(last() == longId + " {\"status\":\"rejected\",\"code\":\"TOO_LARGE\"}");
  ping(memory, std::string(signalbox::kIdSize - 1, 'y'));
  EXPECT(memory.begin(0) != nullptr);
  memory.succeeded("{}");
  EXPECT(memory.begin(0) == nullptr);
  for (size_t i = 0; i < signalbox::kWaiting; i++) ping(memory, "w" + std::to_string(i));
  ping(memory, "more");
  EXPECT(last() == "more {\"status\":\"rejected\",\"code\":\"BUSY\"}");
  for (size_t i = 0; i < signalbox::kWaiting; i++) {
    const Command* command = memory.begin(0);
    EXPECT(command != nullptr && std::string(command->id) == "w" + std::to_string(i));
    memory.succeeded("{}");
  }
  memory.receive("c", "PING", "{}", kNoTtl, 0);
  memory.begin(0);
  memory.succeeded(("\"" + std::string(signalbox::kAnswerSize, 'x') + "\"").c_str());
  EXPECT(last() == "c {\"status\":\"succeeded\",\"message\":\"the result was too long\"}");
}

void cancels() {
  CommandMemory& memory = fresh("cancels");
  memory.cancel("never-seen");
  EXPECT(said.empty());
  ping(memory, "first");
  memory.cancel("first");
  EXPECT(last() == "first {\"status\":\"cancelled\"}");
  EXPECT(memory.begin(0) == nullptr);
  memory.receive("runs", "CALIBRATE", "{}", kNoTtl, 0);
  ping(memory, "waits");
  ping(memory, "next");
  memory.begin(0);
  memory.cancel("waits");
  EXPECT(last() == "waits {\"status\":\"cancelled\"}");
  EXPECT(!memory.isCancelled());
  memory.cancel("runs");
  EXPECT(memory.isCancelled());
  memory.cancelled();
  EXPECT(last() == "runs {\"status\":\"cancelled\"}");
  const Command* next = memory.begin(0);
  EXPECT(next != nullptr && std::string(next->id) == "next");
  EXPECT(!memory.isCancelled());
  memory.succeeded("{}");
  memory.cancel("next");
  EXPECT(last() == "next {\"status\":\"succeeded\",\"result\":{}}");
  ping(memory, "waits");
  EXPECT(last() == "waits {\"status\":\"cancelled\"}");
}

void lostConnections() {
  CommandMemory& memory = fresh("lost connections");
  complete(memory, "acknowledged");
  memory.acknowledged(2);
  complete(memory, "on-the-way");
  memory.connectionLost();
  connected = false;
  complete(memory, "meanwhile");
  ping(memory, "waits");
  connected = true;
  said.clear();
  memory.resend();
  EXPECT(said.size() == 2);
  EXPECT(!said.empty() && said[0] == "on-the-way {\"status\":\"succeeded\",\"result\":{}}");
  EXPECT(last() == "meanwhile {\"status\":\"succeeded\",\"result\":{}}");
  memory.acknowledged(packets);
  memory.acknowledged(static_cast<uint16_t>(packets - 1));
  memory.connectionLost();
  said.clear();
  memory.resend();
  EXPECT(said.empty());
}

}  // namespace

int main() {
  wholeLife();
  repeats();
  thirtyThird();
  longOneIsRemembered();
  expiry();
  refusals();
  cancels();
  lostConnections();
  return broken;
}
