using System.Text;
using HotModel.Proxy;

namespace HotModel.Fuzz.Targets;

/// <summary>
/// A form with files; the first line of the input is the boundary as the Content-Type says it. Claims: it is left alone
/// only where llama-server finds no form in it either; and what goes to llama-server has the same parts, but that our
/// model stands wherever a model was named, and in a part before all others where none was.
/// </summary>
internal static class FormTarget
{
    private const string Model = "owner/m\u00fc:Q8";

    public static void Run(byte[] input)
    {
        int line = Math.Max(0, Array.IndexOf(input, (byte)'\n'));
        string contentType = "multipart/form-data; boundary=" + Encoding.Latin1.GetString(input.AsSpan(0, line));
        byte[] body = input[Math.Min(line + 1, input.Length)..];
        if (FormBody.Read(body, contentType) is not { } form)
        {
            string plain = contentType[(contentType.IndexOf('=', StringComparison.Ordinal) + 1)..];
            bool isPlain = plain.Length > 0 && !plain.Any(c => c is '"' or ';' || char.IsWhiteSpace(c));
            Require.That(!isPlain || Parts(body, plain) is null);
            return;
        }
        // Such a form is refused.
        if (form.Parts > FormBody.PartsMax)
            return;
        string boundary = Encoding.Latin1.GetString(form.Boundary.Span[2..]);
        byte[] sent = JsonReference.Bytes(form.WithModel(Model));
        Require.Equal(Model, FormBody.Read(sent, contentType)?.ModelName);

        List<(string Head, string Value)> expected = Parts(body, boundary)!;
        if (form.ModelValues.Count == 0)
            expected.Insert(0, ("\r\nContent-Disposition: form-data; name=\"model\"", ""));
        List<(string Head, string Value)> actual = Parts(sent, boundary)!;
        Require.Equal(expected.Count, actual.Count);
        int replaced = 0;
        string model = Encoding.Latin1.GetString(Encoding.UTF8.GetBytes(Model));
        foreach (var (before, after) in expected.Zip(actual))
        {
            Require.Equal(before.Head, after.Head);
            Require.That(after.Value == before.Value || after.Value == model);
            replaced += after.Value == model ? 1 : 0;
        }
        Require.That(replaced >= Math.Max(1, form.ModelValues.Count));
    }

    /// <summary>As the library does with which llama-server reads forms; null where it refuses.</summary>
    private static List<(string Head, string Value)>? Parts(byte[] bytes, string boundary)
    {
        string body = Encoding.Latin1.GetString(bytes);
        string delimiter = "--" + boundary;
        int first = body.IndexOf(delimiter + "\r\n", StringComparison.Ordinal);
        if (first < 0)
            return null;
        var parts = new List<(string Head, string Value)>();
        string rest = body[(first + delimiter.Length)..];
        while (!rest.StartsWith("--", StringComparison.Ordinal))
        {
            if (!rest.StartsWith("\r\n", StringComparison.Ordinal))
                return null;
            string[] headAndRest = rest.Split("\r\n\r\n", 2);
            string[] valueAndRest = headAndRest.Length == 2 ? headAndRest[1].Split("\r\n" + delimiter, 2) : [];
            if (valueAndRest.Length != 2)
                return null;
            parts.Add((headAndRest[0], valueAndRest[0]));
            rest = valueAndRest[1];
        }
        return parts;
    }
}
