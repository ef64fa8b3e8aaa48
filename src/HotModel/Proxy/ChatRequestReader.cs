using System.Text.Json;
using HotModel.Sessions;

namespace HotModel.Proxy;

/// <summary>One pass over a chat request's body. Throws JsonException where it is not JSON.</summary>
internal ref struct ChatRequestReader(ReadOnlyMemory<byte> body)
{
    /// <summary>No context holds as many, and each costs more memory than the two bytes that a client needs for it.</summary>
    public const int MessagesMax = 65_536;

    private Utf8JsonReader reader = new(body.Span, MessageJson.ReaderOptions);
    private string? model;
    private Extent? modelValue;
    private bool? stream;
    private string? sessionId;
    private Extent? sessionProperty;
    private Extent? messagesValue;
    private List<ChatMessage> messages = [];
    private bool leavesSlotOpen;
    private string? error;

    public ChatRequestResult Read()
    {
        reader.Read();
        if (reader.TokenType != JsonTokenType.StartObject)
            return new(null, "The body must be a JSON object.");
        int objectStart = (int)reader.TokenStartIndex;
        while (error is null && reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            Property();
        if (error is not null)
            return new(null, error);
        // Throws on anything but white space behind the object.
        reader.Read();
        if (messagesValue is null)
            return new(null, "\"messages\" is missing; it must be an array with at least one message.");
        return new(new ChatRequest
        {
            Body = body,
            ObjectStart = objectStart,
            Model = model,
            ModelValue = modelValue,
            Stream = stream ?? false,
            SessionId = sessionId,
            SessionProperty = sessionProperty,
            MessagesValue = messagesValue.Value,
            Messages = messages,
            LeavesSlotOpen = leavesSlotOpen,
        }, null);
    }

    private void Property()
    {
        int nameStart = (int)reader.TokenStartIndex;
        if (reader.ValueTextEquals("model"u8))
            Model();
        else if (reader.ValueTextEquals("messages"u8))
            Messages();
        else if (reader.ValueTextEquals("stream"u8))
            Stream();
        else if (reader.ValueTextEquals("session_id"u8))
            SessionId(nameStart);
        else
        {
            bool isCount = reader.ValueTextEquals("n"u8);
            bool isReuse = reader.ValueTextEquals("cache_prompt"u8);
            leavesSlotOpen |= reader.ValueTextEquals("id_slot"u8) || reader.ValueTextEquals("lora"u8);
            reader.Read();
            leavesSlotOpen |= isReuse && reader.TokenType == JsonTokenType.False;
            leavesSlotOpen |= isCount && !(reader.TokenType == JsonTokenType.Number && reader.ValueSpan.SequenceEqual("1"u8));
            reader.Skip();
        }
    }

    private void Model()
    {
        reader.Read();
        if (IsDuplicate(modelValue is not null, "model"))
            return;
        if (reader.TokenType is not (JsonTokenType.String or JsonTokenType.Null))
            error = "\"model\" must be a string, null, or left out.";
        else
            (model, modelValue) = (reader.GetString(), new((int)reader.TokenStartIndex, (int)reader.BytesConsumed));
    }

    private void Stream()
    {
        reader.Read();
        if (IsDuplicate(stream is not null, "stream"))
            return;
        if (reader.TokenType is JsonTokenType.True or JsonTokenType.False or JsonTokenType.Null)
            stream = reader.TokenType == JsonTokenType.True;
        else
            error = "\"stream\" must be true or false.";
    }

    private void SessionId(int nameStart)
    {
        reader.Read();
        if (IsDuplicate(sessionProperty is not null, "session_id"))
            return;
        if (reader.TokenType is not (JsonTokenType.String or JsonTokenType.Null))
        {
            error = "\"session_id\" must be a string, null, or left out.";
            return;
        }
        sessionId = reader.GetString();
        sessionProperty = JsonText.WithOneComma(body.Span, nameStart, (int)reader.BytesConsumed);
    }

    private void Messages()
    {
        reader.Read();
        if (IsDuplicate(messagesValue is not null, "messages"))
            return;
        if (reader.TokenType != JsonTokenType.StartArray)
        {
            error = "\"messages\" must be an array with at least one message.";
            return;
        }
        int start = (int)reader.TokenStartIndex;
        while (error is null && reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            if (messages.Count == MessagesMax)
                error = $"\"messages\" has more than {MessagesMax} messages.";
            else
                Message();
        }
        messagesValue = new(start, (int)reader.BytesConsumed);
        if (error is null && messages.Count == 0)
            error = "\"messages\" is empty; it must have at least one message.";
    }

    private void Message()
    {
        if (reader.TokenType != JsonTokenType.StartObject)
        {
            error = $"\"messages\"[{messages.Count}] must be an object with \"role\" and \"content\".";
            return;
        }
        int start = (int)reader.TokenStartIndex;
        string role = "";
        bool hasToolCalls = false;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            if (reader.ValueTextEquals("role"u8))
            {
                reader.Read();
                if (reader.TokenType != JsonTokenType.String)
                {
                    error = $"\"role\" of \"messages\"[{messages.Count}] must be a string.";
                    return;
                }
                role = Role();
            }
            else if (reader.ValueTextEquals("tool_calls"u8))
            {
                reader.Read();
                hasToolCalls = reader.TokenType == JsonTokenType.StartArray && !IsEmptyArray(reader);
                reader.Skip();
            }
            else
            {
                reader.Skip();
            }
        }
        messages.Add(new(body[start..(int)reader.BytesConsumed], role, hasToolCalls && role == "assistant"));
    }

    private string Role() =>
        reader.ValueTextEquals("user"u8) ? "user"
        : reader.ValueTextEquals("assistant"u8) ? "assistant"
        : reader.ValueTextEquals("system"u8) ? "system"
        : reader.ValueTextEquals("tool"u8) ? "tool"
        : reader.GetString()!;

    private static bool IsEmptyArray(Utf8JsonReader array) => array.Read() && array.TokenType == JsonTokenType.EndArray;

    /// <summary>Servers differ in which of two equal names they obey; what is checked must be what is obeyed.</summary>
    private bool IsDuplicate(bool seen, string name)
    {
        if (seen)
            error = $"\"{name}\" is there twice; it may be given once.";
        return seen;
    }
}
