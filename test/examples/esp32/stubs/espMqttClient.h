// As much of espMqttClient 1.7 as the example uses.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <functional>

namespace espMqttClientTypes {

enum class UseInternalTask { NO = 0, YES = 1 };
enum class SubscribeReturncode : uint8_t { QOS0 = 0x00, QOS1 = 0x01, QOS2 = 0x02, FAIL = 0x80 };
enum class DisconnectReason : uint8_t { USER_OK = 0, TCP_DISCONNECTED = 7 };

struct MessageProperties {
  uint8_t qos;
  bool dup;
  bool retain;
  uint16_t packetId;
};

using OnConnectCallback = std::function<void(bool sessionPresent)>;
using OnDisconnectCallback = std::function<void(DisconnectReason reason)>;
using OnSubscribeCallback = std::function<void(uint16_t packetId, const SubscribeReturncode* codes, size_t count)>;
using OnMessageCallback = std::function<void(const MessageProperties& properties, const char* topic, const uint8_t* payload,
                                             size_t size, size_t index, size_t total)>;
using OnPublishCallback = std::function<void(uint16_t packetId)>;

}  // namespace espMqttClientTypes

class espMqttClient {
 public:
  explicit espMqttClient(espMqttClientTypes::UseInternalTask useInternalTask);
  espMqttClient& setServer(const char* host, uint16_t port);
  espMqttClient& setClientId(const char* id);
  espMqttClient& setKeepAlive(uint16_t seconds);
  espMqttClient& setCleanSession(bool clean);
  espMqttClient& setCredentials(const char* username, const char* password);
  espMqttClient& setWill(const char* topic, uint8_t qos, bool retain, const char* payload);
  espMqttClient& onConnect(espMqttClientTypes::OnConnectCallback callback);
  espMqttClient& onDisconnect(espMqttClientTypes::OnDisconnectCallback callback);
  espMqttClient& onSubscribe(espMqttClientTypes::OnSubscribeCallback callback);
  espMqttClient& onMessage(espMqttClientTypes::OnMessageCallback callback);
  espMqttClient& onPublish(espMqttClientTypes::OnPublishCallback callback);
  bool connect();
  bool disconnect(bool force = false);
  bool connected() const;
  bool disconnected() const;
  template <typename... More>
  uint16_t subscribe(const char* topic, uint8_t qos, More&&... more);
  uint16_t publish(const char* topic, uint8_t qos, bool retain, const char* payload);
  void clearQueue(bool deleteSessionData = false);
  void loop();
};
