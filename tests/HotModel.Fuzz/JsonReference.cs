using System.Buffers;
using System.Runtime.InteropServices;
using System.Text.Encodings.Web;
using System.Text.Json;
using HotModel.Proxy;

namespace HotModel.Fuzz;

/// <summary>A member of an object as .NET's own JsonDocument reads it.</summary>
/// <param name="Name">What it means.</param>
/// <param name="RawName">As it stands in the text; so does the value.</param>
internal readonly record struct RawMember(string Name, string RawName, string Value)
{
    public RawMember(string name, string value) : this(name, name, value) { }
}

/// <summary>The same JSON, read by somebody else.</summary>
internal static class JsonReference
{
    /// <summary>Null where it is none.</summary>
    public static JsonDocument? Parse(ReadOnlyMemory<byte> json, int maxDepth)
    {
        try
        {
            return JsonDocument.Parse(json, new JsonDocumentOptions { MaxDepth = maxDepth });
        }
        catch (JsonException)
        {
            return null;
        }
    }

    public static List<RawMember> Members(JsonElement json) =>
        [.. json.EnumerateObject().Select(member => new RawMember(
            Text(member), Latin1(JsonMarshal.GetRawUtf8PropertyName(member)), Raw(member.Value)))];

    /// <summary>A name that is no text has no other than itself.</summary>
    private static string Text(JsonProperty member)
    {
        try
        {
            return member.Name;
        }
        catch (InvalidOperationException)
        {
            return Latin1(JsonMarshal.GetRawUtf8PropertyName(member));
        }
    }

    public static List<string> Items(JsonElement json) => [.. json.EnumerateArray().Select(Raw)];

    /// <summary>One character for each byte, so that broken UTF-8 can be compared too.</summary>
    public static string Raw(JsonElement json) => Latin1(JsonMarshal.GetRawUtf8Value(json));

    public static string Latin1(ReadOnlySpan<byte> bytes) => System.Text.Encoding.Latin1.GetString(bytes);

    /// <summary>Of several with the name, the last; null where there is none.</summary>
    public static JsonElement? Last(JsonElement json, string name)
    {
        JsonElement? last = null;
        foreach (JsonProperty member in json.EnumerateObject())
        {
            if (member.NameEquals(name))
                last = member.Value;
        }
        return last;
    }

    /// <summary>A name among them has half a surrogate pair, and so is no text.</summary>
    public static bool HasOddName(JsonElement json)
    {
        try
        {
            foreach (JsonProperty member in json.EnumerateObject())
                _ = member.Name;
            return false;
        }
        catch (InvalidOperationException)
        {
            return true;
        }
    }

    /// <summary>Written anew: without white space, and with every escape that there can be.</summary>
    public static byte[] Rewritten(JsonElement json)
    {
        var bytes = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(bytes, new JsonWriterOptions { Encoder = JavaScriptEncoder.Default }))
            json.WriteTo(writer);
        return bytes.WrittenSpan.ToArray();
    }

    public static byte[] Bytes(RequestSplice splice) => [.. splice.Pieces.SelectMany(piece => piece.ToArray())];
}
