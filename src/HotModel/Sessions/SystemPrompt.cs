using System.Buffers;
using System.Text.Json;
using HotModel.Configuration;

namespace HotModel.Sessions;

/// <summary>The system messages of a prompt: the preset and the client's own.</summary>
internal static class SystemPrompt
{
    // The text goes to llama-server, not into a page: escaping quotes as they are for HTML would only lengthen it.
    public static List<ReadOnlyMemory<byte>> Build(PresetConfig preset, IReadOnlyList<ChatMessage> clientSystem)
    {
        var client = clientSystem.Select(message => message.Json).ToList();
        return preset.ClientSystem switch
        {
            ClientSystem.Drop => WithPreset(preset.SystemPrompt, []),
            ClientSystem.Replace => client.Count > 0 ? client : WithPreset(preset.SystemPrompt, []),
            ClientSystem.Merge => WithPreset(preset.SystemPrompt, client),
        };
    }

    private static List<ReadOnlyMemory<byte>> WithPreset(string presetText, List<ReadOnlyMemory<byte>> client)
    {
        if (presetText.Length == 0)
            return client;
        var texts = new List<string> { presetText };
        var separate = new List<ReadOnlyMemory<byte>>();
        foreach (var message in client)
        {
            if (MessageJson.PlainText(message.Span) is not { } clientText)
                separate.Add(message);
            else if (clientText.Length > 0)
                texts.Add(clientText);
        }
        return [Message(string.Join("\n\n", texts)), .. separate];
    }

    private static ReadOnlyMemory<byte> Message(string text)
    {
        var json = new ArrayBufferWriter<byte>();
        using var writer = new Utf8JsonWriter(json, ReadableJson.WriterOptions);
        writer.WriteStartObject();
        writer.WriteString("role"u8, "system"u8);
        writer.WriteString("content"u8, text);
        writer.WriteEndObject();
        writer.Flush();
        return json.WrittenMemory;
    }
}
