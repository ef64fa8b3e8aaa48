using System.Text.Json;
using HotModel.Proxy;
using HotModel.Sessions;

namespace HotModel.Fuzz.Targets;

/// <summary>
/// A chat request's body. Claims: it is refused with one sentence, or every part found in it is what .NET's JsonDocument
/// reads there; what goes to llama-server differs from it in model, messages, slot and session and in nothing else; and
/// whoever reads its messages later reads the same of the same message written in another way.
/// </summary>
internal static class ChatTarget
{
    private const string Model = "owner/\"m\u00fc\\:Q8";
    private const int Slot = 3;

    public static void Run(byte[] input)
    {
        ChatRequestResult result = ChatRequest.Read(input);
        Require.That(result.Request is null != result.Error is null);
        using JsonDocument? document = JsonReference.Parse(input, MessageJson.DepthLimit);
        if (result.Request is not { } request)
        {
            Require.IsOneLine(result.Error!);
            Require.That(document is null || !result.Error!.Contains("is not JSON", StringComparison.Ordinal));
            return;
        }
        Require.That(document is not null);
        JsonElement whole = document!.RootElement;
        Parts(request, whole);
        Splice(request, JsonReference.Members(whole));
        Messages(request, JsonReference.Last(whole, "messages")!.Value);
    }

    private static void Parts(ChatRequest request, JsonElement whole)
    {
        Require.Equal(JsonReference.Last(whole, "model")?.GetString(), request.Model);
        Require.Equal(JsonReference.Last(whole, "session_id")?.GetString(), request.SessionId);
        Require.Equal(JsonReference.Last(whole, "stream")?.ValueKind == JsonValueKind.True, request.Stream);
    }

    private static void Splice(ChatRequest request, List<RawMember> members)
    {
        ReadOnlyMemory<byte>[] messages = [.. request.Messages.Select(message => message.Json)];
        int? slot = request.LeavesSlotOpen ? null : Slot;
        byte[] sent = JsonReference.Bytes(RequestSplice.Create(request, Model, messages, slot));

        using JsonDocument? document = JsonReference.Parse(sent, MessageJson.DepthLimit);
        Require.That(document is not null);
        string list = $"[{string.Join(',', messages.Select(json => JsonReference.Latin1(json.Span)))}]";
        string quoted = JsonReference.Latin1(JsonText.Quote(Model));
        var expected = new List<RawMember>();
        foreach (RawMember member in members.Where(member => member.Name != "session_id"))
        {
            expected.Add(member.Name switch
            {
                "model" => member with { Value = quoted },
                "messages" => member with { Value = list },
                _ => member,
            });
        }
        if (request.ModelValue is null)
            expected.Insert(0, new("model", quoted));
        if (slot is not null)
            expected.Insert(0, new("id_slot", "3"));
        Require.That(expected.SequenceEqual(JsonReference.Members(document!.RootElement)));

        Require.Equal(
            JsonReference.Bytes(RequestSplice.Create(request, Model, [])),
            JsonReference.Bytes(RequestSplice.Create(request.WithoutMessages(), Model, [])));
    }

    private static void Messages(ChatRequest request, JsonElement messages)
    {
        Require.Equal(messages.GetArrayLength(), request.Messages.Count);
        int i = 0;
        foreach (JsonElement reference in messages.EnumerateArray())
        {
            ChatMessage message = request.Messages[i++];
            Require.Equal(JsonReference.Raw(reference), JsonReference.Latin1(message.Json.Span));
            Require.Equal(JsonReference.Last(reference, "role")?.GetString() ?? "", message.Role);
            ChatMessage again = MessageJson.Read(message.Json);
            Require.Equal((message.Role, message.HasToolCalls), (again.Role, again.HasToolCalls));
            Same(message.Json.Span, MessageJson.OneLine(message.Json.Span));
            if (JsonText.IsSound(message.Json.Span))
                Same(message.Json.Span, JsonReference.Rewritten(reference));
        }
    }

    /// <summary>Two ways of writing one message.</summary>
    private static void Same(ReadOnlySpan<byte> one, ReadOnlySpan<byte> other)
    {
        Require.Equal(MessageHash.Start.Next(one), MessageHash.Start.Next(other));
        Require.Equal(MessageJson.CountChars(one), MessageJson.CountChars(other));
        Require.Equal(MessageJson.PlainText(one), MessageJson.PlainText(other));
    }
}
