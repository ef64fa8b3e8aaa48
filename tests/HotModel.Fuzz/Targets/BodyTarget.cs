using System.Text;
using System.Text.Json;
using HotModel.Api;
using HotModel.Configuration;
using HotModel.Proxy;
using HotModel.Sessions;

namespace HotModel.Fuzz.Targets;

/// <summary>
/// A body on a relayed route. Claims: it is left alone only where .NET's JsonDocument finds no object in it either, or a
/// name that is no text, or too many levels; and what goes to llama-server differs in the model and in what becomes of the instructions, and
/// in nothing else.
/// </summary>
internal static class BodyTarget
{
    private const string Model = "owner/\"m\u00fc\\:Q8";
    private const string Preset = "Be brief.\n\"\u00dc\"";

    private static readonly string QuotedModel = JsonReference.Latin1(JsonText.Quote(Model));
    private static readonly string QuotedPreset = JsonReference.Latin1(JsonText.Quote(Preset));
    private static readonly string QuotedWithBlankLine = JsonReference.Latin1(JsonText.Quote(Preset + "\n\n"));

    public static void Run(byte[] input)
    {
        foreach (PresetPlace place in Enum.GetValues<PresetPlace>())
        {
            JsonObjectBody? body = JsonObjectBody.Read(input, PresetPrompt.MemberOf(place));
            using JsonDocument? document = JsonReference.Parse(TextOf(input), MessageJson.DepthLimit);
            bool isObject = document is { RootElement.ValueKind: JsonValueKind.Object };
            if (body is null)
            {
                Require.That(!isObject || JsonReference.HasOddName(document!.RootElement)
                    || JsonText.IsDeeperThan(MessageJson.DepthLimit, input));
                continue;
            }
            Require.That(isObject);
            List<RawMember> members = JsonReference.Members(document!.RootElement);
            Require.Equal(members.Count, body.MemberCount);
            Require.Equal(JsonReference.Last(document.RootElement, "stream")?.ValueKind == JsonValueKind.True, body.Stream);
            foreach (ClientSystem system in Enum.GetValues<ClientSystem>())
            {
                Sent(body, members, place, system, Preset);
                Sent(body, members, place, system, "");
            }
        }
    }

    /// <summary>As llama-server's parser sees it.</summary>
    private static ReadOnlyMemory<byte> TextOf(ReadOnlyMemory<byte> body)
    {
        int nul = body.Span.IndexOf((byte)0);
        ReadOnlyMemory<byte> text = nul < 0 ? body : body[..nul];
        return text.Span.StartsWith("\uFEFF"u8) ? text[3..] : text;
    }

    private static void Sent(
        JsonObjectBody body, List<RawMember> members, PresetPlace place, ClientSystem system, string preset)
    {
        PromptEdit? edit = new PresetPrompt(new() { SystemPrompt = preset, ClientSystem = system }).Edit(place, body);
        byte[] sent = JsonReference.Bytes(RequestSplice.Create(body, Model, edit));
        using JsonDocument? document = JsonReference.Parse(TextOf(sent), int.MaxValue);
        Require.That(document is not null);
        List<RawMember> actual = JsonReference.Members(document!.RootElement);

        string name = JsonReference.Latin1(PresetPrompt.MemberOf(place));
        List<RawMember> expected = [.. members];
        if (edit is { IsCut: true })
            expected.RemoveAll(member => member.Name == name);
        else if (edit is not null)
            Set(expected, name, Expected(expected, actual, place, system));
        Set(expected, "model", QuotedModel);
        Require.That(expected.SequenceEqual(actual));
    }

    /// <summary>Changes the last one, which is what llama-server obeys, or puts one in front.</summary>
    private static void Set(List<RawMember> members, string name, string value)
    {
        int at = members.FindLastIndex(member => member.Name == name);
        if (at < 0)
            members.Insert(0, new(name, value));
        else
            members[at] = members[at] with { Value = value };
    }

    private static string Expected(
        List<RawMember> members, List<RawMember> actual, PresetPlace place, ClientSystem system)
    {
        string name = JsonReference.Latin1(PresetPrompt.MemberOf(place));
        string client = members.LastOrDefault(member => member.Name == name).Value ?? "";
        if (place == PresetPlace.Messages)
            return Messages(client, actual.Last(member => member.Name == name).Value);
        if (system != ClientSystem.Merge || client.Length == 0)
            return QuotedPreset;
        if (client[0] == '"')
            return client.Length == 2 ? QuotedPreset : QuotedWithBlankLine[..^1] + client[1..];
        return place == PresetPlace.System && client[0] == '[' && Items(client).Count > 0
            ? $"[{{\"type\":\"text\",\"text\":{QuotedWithBlankLine}}},{client[1..]}" : QuotedPreset;
    }

    /// <summary>The system messages before all others became what <see cref="SystemPrompt"/> makes of them.</summary>
    private static string Messages(string client, string actual)
    {
        List<string> before = Items(client);
        List<string> after = Items(actual);
        int kept = before.SkipWhile(IsSystem).Count();
        Require.That(after.TakeLast(kept).SequenceEqual(before.TakeLast(kept)));
        Require.That(after.SkipLast(kept).All(IsSystem));
        return actual;
    }

    private static List<string> Items(string array)
    {
        using JsonDocument document = Parse(array);
        return JsonReference.Items(document.RootElement);
    }

    private static bool IsSystem(string message)
    {
        using JsonDocument document = Parse(message);
        string? role = JsonReference.Members(document.RootElement)
            .LastOrDefault(member => member.Name == "role" && member.Value[0] == '"').Value;
        return role is not null && JsonText.Unquote(Encoding.Latin1.GetBytes(role)) is "system" or "developer";
    }

    private static JsonDocument Parse(string raw) =>
        JsonReference.Parse(Encoding.Latin1.GetBytes(raw), int.MaxValue) ?? throw new FuzzFinding($"no JSON: {raw}");
}
