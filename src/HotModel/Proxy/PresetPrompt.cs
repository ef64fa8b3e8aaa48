using System.Text;
using System.Text.Json;
using HotModel.Api;
using HotModel.Configuration;
using HotModel.Sessions;

namespace HotModel.Proxy;

/// <summary>What becomes of the member of a body that carries the instructions.</summary>
/// <param name="Name">With its colon.</param>
/// <param name="Value">The new value; empty: every member of that name is cut.</param>
internal sealed record PromptEdit(ReadOnlyMemory<byte> Name, IReadOnlyList<ReadOnlyMemory<byte>> Value)
{
    public bool IsCut => Value.Count == 0;
}

/// <summary>Puts the preset prompt into requests that are no conversations of ours.</summary>
/// <remarks>
/// What the client wrote stays as it stands, escapes included; the preset is put before it. llama-server takes
/// instructions that are neither text nor, for messages of Anthropic's API, an array of blocks for empty ones.
/// </remarks>
internal sealed class PresetPrompt
{
    private readonly PresetConfig preset;
    private readonly byte[] text;
    /// <summary>A JSON string up to where the client's text goes on, behind a blank line.</summary>
    private readonly byte[] textBefore;
    private readonly byte[] blockBefore;

    public PresetPrompt(PresetConfig preset)
    {
        this.preset = preset;
        text = JsonText.Quote(preset.SystemPrompt);
        byte[] withBlankLine = JsonText.Quote(preset.SystemPrompt + "\n\n");
        textBefore = withBlankLine[..^1];
        // llama-server joins the blocks without anything between them.
        blockBefore = [.. "[{\"type\":\"text\",\"text\":"u8, .. withBlankLine, .. "},"u8];
    }

    public PresetConfig Config => preset;

    /// <summary>The name of the member that carries the instructions; empty where there is none.</summary>
    public static ReadOnlySpan<byte> MemberOf(PresetPlace place) => place switch
    {
        PresetPlace.None => [],
        PresetPlace.Messages => "messages"u8,
        PresetPlace.Instructions => "instructions"u8,
        PresetPlace.System => "system"u8,
    };

    /// <summary>Null: the body stays as it is.</summary>
    public PromptEdit? Edit(PresetPlace place, JsonObjectBody body)
    {
        bool isEmpty = preset.SystemPrompt.Length == 0;
        if (place == PresetPlace.None || (isEmpty && preset.ClientSystem != ClientSystem.Drop))
            return null;
        if (place == PresetPlace.Messages)
            return Messages(body);
        ReadOnlyMemory<byte> value = body.Prompt is { } member ? body.Body[member.Value.Start..member.Value.End] : default;
        bool hasText = HasText(value.Span, place);
        return preset.ClientSystem switch
        {
            ClientSystem.Drop => isEmpty ? Edit(place) : Edit(place, text),
            ClientSystem.Replace => hasText ? null : Edit(place, text),
            ClientSystem.Merge when !hasText => Edit(place, text),
            ClientSystem.Merge => Edit(place, value.Span[0] == (byte)'[' ? blockBefore : textBefore, value[1..]),
        };
    }

    /// <summary>As <see cref="PromptBuilder"/> begins a conversation, so that counts are true.</summary>
    private PromptEdit? Messages(JsonObjectBody body)
    {
        if (body.Prompt is not { Type: JsonTokenType.StartArray } member)
            return null;
        try
        {
            var (leading, others) = MessageJson.SystemAndOthers(
                body.Body[member.Value.Start..member.Value.End], ChatRequestReader.MessagesMax);
            if (!others.IsEmpty && others.Span[0] != (byte)'{')
                return null;
            // One with an unpaired surrogate is llama-server's to refuse.
            if (!leading.TrueForAll(message => JsonText.IsSound(message.Json.Span)))
                return null;
            List<ReadOnlyMemory<byte>> messages = SystemPrompt.Build(preset, leading);
            return Edit(PresetPlace.Messages, [.. RequestSplice.ArrayOf(others.IsEmpty ? messages : [.. messages, others])]);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            // With a name that is no text: none of ours begins so.
            return null;
        }
    }

    private static PromptEdit Edit(PresetPlace place, params IReadOnlyList<ReadOnlyMemory<byte>> value) =>
        new((byte[])[(byte)'"', .. MemberOf(place), .. "\":"u8], value);

    private static bool HasText(ReadOnlySpan<byte> value, PresetPlace place)
    {
        if (value.IsEmpty)
            return false;
        if (value[0] == (byte)'"')
            return value.Length > 2;
        return place == PresetPlace.System && value[0] == (byte)'['
            && value[1..].TrimStart(" \t\r\n"u8) is not [(byte)']', ..];
    }
}
