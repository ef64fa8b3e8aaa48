using System.Text.Encodings.Web;
using System.Text.Json;

namespace HotModel;

/// <summary>JSON as people read it.</summary>
/// <remarks>The default escapes quotes and all that is not ASCII, for pages that paste it into HTML.</remarks>
internal static class ReadableJson
{
    public static readonly JavaScriptEncoder Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping;

    public static readonly JsonWriterOptions WriterOptions = new() { Encoder = Encoder };
}
